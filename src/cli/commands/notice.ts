import type { Ended } from '../../core/failure.ts';
import type { Io } from '../io.ts';
import { toldNotice } from '../told-notice.ts';
import { askedStatus } from './status.ts';

/** Prints what root should know at login, or before logging out. */
export async function notice(
  { config, logout }: { readonly config: string; readonly logout: boolean },
  io: Io,
): Promise<Ended> {
  const otherwise = () => askedStatus(config, 1000);
  return (await toldNotice({ config, at: logout ? 'logout' : 'login', otherwise }, io)) ?? 'done';
}
