import { readFileSync } from 'node:fs';
import { publicKeyOf } from '../../active/link.ts';
import type { Config } from '../../config/load.ts';
import { groupId, ownerId } from '../../files/owners.ts';
import type { DoctorAnswer, DoctorRequest } from '../../wire/message.ts';
import { productVersion } from '../product.ts';
import { blueMindPackages } from './packages.ts';
import { type Surroundings, thisMachine } from './surroundings.ts';

/** What this node tells another one whose `doctor` asks. Looks, and changes nothing. */
export async function answerDoctor(
  config: Config,
  from: string,
  { owners, groups }: DoctorRequest,
  surroundings: Surroundings = thisMachine(),
): Promise<DoctorAnswer> {
  const now = Date.now();
  const packages = await blueMindPackages(surroundings);
  return {
    version: productVersion,
    now,
    missingOwners: owners.filter((name) => ownerId(name) === undefined),
    missingGroups: groups.filter((name) => groupId(name) === undefined),
    packages: packages === undefined ? null : [...packages],
    publicKeys: config.peers
      .filter(({ name }) => name === from)
      .flatMap(({ identityFile }) => publicKeyIn(identityFile)),
  };
}

function publicKeyIn(identityFile: string): string[] {
  try {
    const key = publicKeyOf(readFileSync(identityFile));
    return key === undefined ? [] : [key];
  } catch (problem) {
    // Without a key this node comes to nobody, and its own doctor says so.
    if ((problem as NodeJS.ErrnoException).code === undefined) throw problem;
    return [];
  }
}
