import type { RoleSource } from '../../config/load.ts';
import { type Check, error, notChecked, ok } from './check.ts';
import { complaintOf, type Surroundings, textOf } from './surroundings.ts';

/** What the cluster manager says about fencing. */
export type Fencing =
  | { readonly kind: 'no-cluster' }
  | { readonly kind: 'unknown'; readonly detail: string }
  | {
      readonly kind: 'cluster';
      /** As the property stands there; undefined: not set, which Pacemaker takes for true. */
      readonly enabled: string | undefined;
      /** Whether a device is configured; undefined: not told. */
      readonly device: boolean | undefined;
      readonly source: string;
    };

/** Asks Pacemaker, and when it does not run reads what it wrote down. */
export async function fencingOf({ run, system }: Surroundings): Promise<Fencing> {
  const asked = await run('cibadmin', ['--query']);
  if (asked.kind === 'ended' && asked.code === 0) return fencingIn(asked.stdout, 'cibadmin --query');
  const stored = textOf(`${system}/var/lib/pacemaker/cib/cib.xml`);
  if (stored !== undefined) return fencingIn(stored, '/var/lib/pacemaker/cib/cib.xml');
  const attribute = await run('crm_attribute', [
    '--type',
    'crm_config',
    '--name',
    'stonith-enabled',
    '--query',
    '--quiet',
  ]);
  if (attribute.kind === 'ended' && attribute.code === 0)
    return { kind: 'cluster', enabled: attribute.stdout.trim(), device: undefined, source: 'crm_attribute' };
  const installed = asked.kind !== 'missing' || attribute.kind !== 'missing';
  const configured = textOf(`${system}/etc/corosync/corosync.conf`) !== undefined;
  if (!installed && !configured) return { kind: 'no-cluster' };
  return { kind: 'unknown', detail: complaintOf(asked.kind === 'missing' ? attribute : asked) };
}

/** Reads the parts of a CIB that tell of fencing. Of several properties of that name one that says no counts. */
export function fencingIn(cib: string, source: string): Fencing {
  const properties = [...cib.matchAll(/<nvpair\b[^>]*>/g)].map(([tag]) => tag);
  const own = properties.filter((tag) => attributeOf(tag, 'name') === 'stonith-enabled');
  const values = own.flatMap((tag) => attributeOf(tag, 'value') ?? []);
  const enabled = values.find(isFalse) ?? values[0];
  const device = [...cib.matchAll(/<primitive\b[^>]*>/g)].some(
    ([tag]) => attributeOf(tag, 'class') === 'stonith',
  );
  return { kind: 'cluster', enabled, device, source };
}

function attributeOf(tag: string, name: string): string | undefined {
  return new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`)
    .exec(tag)
    ?.slice(1)
    .find((one) => one !== undefined);
}

/** What Pacemaker takes for false, see crm_is_true(). */
function isFalse(value: string): boolean {
  return ['false', 'off', 'no', 'n', '0'].includes(value.toLowerCase());
}

const name = 'fencing';
const unsupported = 'BlueMind does not support automatic failover without STONITH';

export function judgeFencing(fencing: Fencing, role: RoleSource | undefined): Check {
  switch (fencing.kind) {
    case 'no-cluster': {
      if (role?.source !== 'pacemaker')
        return ok(name, 'no Pacemaker cluster here: failover is not automatic');
      const found = 'expected a Pacemaker cluster (role.source is pacemaker), found none on this node';
      return error(
        name,
        found,
        'apt-get install pacemaker pcs || dnf install pacemaker pcs   # or role: { source: manual }',
      );
    }
    case 'unknown':
      return notChecked(
        name,
        `there is a Pacemaker cluster that does not answer (${fencing.detail}): pcs property config stonith-enabled`,
      );
    case 'cluster': {
      const { enabled, device, source } = fencing;
      if (enabled !== undefined && isFalse(enabled))
        return error(
          name,
          `stonith-enabled is ${enabled} (${source}): ${unsupported}`,
          'pcs property set stonith-enabled=true',
        );
      if (device === false)
        return error(
          name,
          `stonith-enabled is ${enabled ?? 'true'}, but no fencing device is configured (${source}): ${unsupported}`,
          'pcs stonith list, then: pcs stonith create NAME AGENT ...',
        );
      return ok(name, `stonith-enabled is ${enabled ?? 'true by default'} (${source})`);
    }
  }
}
