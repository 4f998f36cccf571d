import type { Row } from './row.ts';
import { bigFile, bigFileDelta } from './rows/big-file.ts';
import { burst, burstLarge } from './rows/burst.ts';
import { cliStatus, cliVersion } from './rows/cli.ts';
import { firstCopy, firstCopyLarge, firstCopySlow } from './rows/first-copy.ts';
import { latencyInPlace, latencyReplace } from './rows/latency.ts';
import { ready, readyLarge } from './rows/ready.ts';
import { resyncRestored } from './rows/restore.ts';
import { deleteTree, renameTree } from './rows/subtree.ts';
import { verify, verifyLarge } from './rows/verify.ts';
import type { Survey } from './survey.ts';
import { churn } from './surveys/churn.ts';
import { idle, idleLarge, idleMillion } from './surveys/idle.ts';
import { reconnect } from './surveys/reconnect.ts';

/** Against peers. */
export const rows: readonly Row[] = [
  ...[latencyReplace, latencyInPlace, burst, burstLarge, renameTree, deleteTree],
  ...[firstCopy, firstCopyLarge, firstCopySlow, bigFile, bigFileDelta],
  ...[verify, verifyLarge, resyncRestored, ready, readyLarge, cliStatus, cliVersion],
];

/** Of this program alone. */
export const surveys: readonly Survey[] = [idle, idleLarge, reconnect, churn, idleMillion];
