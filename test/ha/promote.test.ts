import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event } from '../../src/core/event.ts';
import { Failure } from '../../src/core/failure.ts';
import type { Role } from '../../src/core/seat.ts';
import { type AskedPeer, type Promoted, promote } from '../../src/ha/promote.ts';

type Answer = { readonly role: Role; readonly highest: number; readonly fails?: boolean } | 'silent';

type Tried = {
  readonly outcome: Promoted | Failure;
  /** What happened, in order. */
  readonly trace: readonly string[];
};

/** Promotes mail1, passive with epoch 4, which heard of epoch 5. */
async function tryPromote(answers: readonly Answer[], fenced = false): Promise<Tried> {
  const trace: string[] = [];
  const peers = answers.map((answer, index): AskedPeer => {
    const name = `mail${index + 2}`;
    if (answer === 'silent') return { kind: 'unreachable', name, detail: 'no route' };
    const { role, highest, fails = false } = answer;
    return {
      kind: 'reached',
      name,
      role,
      epoch: highest,
      highest,
      demote: async (epoch) => {
        trace.push(`${name} is asked to be passive under ${epoch}`);
        // What comes after has to wait for the answer.
        await new Promise((resolve) => setImmediate(resolve));
        if (fails) throw new Failure({ code: 'busy', exit: 'refused', message: 'no', hint: 'wait' });
        trace.push(`${name} is passive under ${epoch}`);
      },
      close: () => undefined,
    };
  });
  const log = (event: Event): void => {
    if (event.kind === 'step') trace.push(`step ${event.what}: ${event.step}`);
  };
  const outcome = await promote({
    node: 'mail1',
    seat: { role: 'passive', epoch: 4 },
    highest: 5,
    fenced,
    peers,
    take: (epoch) => void trace.push(`taken with ${epoch}`),
    log,
  }).catch((error: unknown) => {
    assert.ok(error instanceof Failure, String(error));
    return error;
  });
  return { outcome, trace };
}

const active = { role: 'active', highest: 3 } as const;
const passive = { role: 'passive', highest: 3 } as const;

describe('a promotion', () => {
  it('makes each peer passive, one after the other, before it takes the seat', async () => {
    const { outcome, trace } = await tryPromote([active, passive]);
    assert.deepEqual(trace, [
      'step promote: peers asked',
      'mail2 is asked to be passive under 6',
      'mail2 is passive under 6',
      'step promote: peer is passive',
      'mail3 is asked to be passive under 6',
      'mail3 is passive under 6',
      'step promote: peer is passive',
      'taken with 6',
      'step promote: seat taken',
    ]);
    assert.deepEqual(outcome, { epoch: 6, demoted: ['mail2'], unreachable: [] });
  });

  it('of a node without peers takes the seat', async () => {
    const { outcome } = await tryPromote([]);
    assert.deepEqual(outcome, { epoch: 6, demoted: [], unreachable: [] });
  });

  it('takes an epoch above all that anybody heard of', async () => {
    const { outcome } = await tryPromote([{ role: 'passive', highest: 41 }, active]);
    assert.equal(outcome instanceof Failure ? 0 : outcome.epoch, 42);
  });

  it('takes nothing when a peer does not become passive', async () => {
    const { outcome, trace } = await tryPromote([passive, { ...active, fails: true }]);
    assert.ok(outcome instanceof Failure);
    assert.equal(outcome.code, 'busy');
    assert.ok(!trace.some((line) => line.startsWith('taken')), trace.join('\n'));
  });

  it('names who was not reached, and what to do', async () => {
    const { outcome } = await tryPromote(['silent', passive]);
    assert.ok(outcome instanceof Failure);
    assert.match(outcome.message, /mail2 \(no route\)/);
    assert.ok(!outcome.message.includes('mail3'));
    assert.match(outcome.hint, /--fenced/);
  });

  const kinds: readonly Answer[] = [active, passive, 'silent'];
  const sets: Answer[][] = [
    ...kinds.map((one) => [one]),
    ...kinds.flatMap((one) => kinds.map((other) => [one, other])),
    ...kinds.flatMap((one) => kinds.flatMap((two) => kinds.map((three) => [one, two, three]))),
  ];
  for (const answers of sets) {
    for (const fenced of [false, true]) {
      const silent = answers.filter((answer) => answer === 'silent').length;
      const known = answers.includes(active);
      const allowed = fenced || known || silent === 0;
      const told = answers.map((answer) => (answer === 'silent' ? answer : answer.role)).join(', ');
      it(`over ${told}${fenced ? ', fenced,' : ''} is ${allowed ? 'done' : 'refused'}`, async () => {
        const { outcome, trace } = await tryPromote(answers, fenced);
        if (!allowed) {
          assert.ok(outcome instanceof Failure);
          assert.deepEqual([outcome.code, outcome.exit, trace], ['not-fenced', 'refused', []]);
          return;
        }
        assert.ok(!(outcome instanceof Failure));
        assert.equal(outcome.epoch, 6);
        assert.equal(outcome.demoted.length, answers.filter((answer) => answer === active).length);
        assert.equal(outcome.unreachable.length, silent);
        assert.equal(
          trace.filter((line) => line.endsWith('is passive under 6')).length,
          answers.length - silent,
        );
        assert.deepEqual(trace.slice(-2), ['taken with 6', 'step promote: seat taken']);
      });
    }
  }
});
