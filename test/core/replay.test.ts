import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Push } from '../../src/core/plan.ts';
import { A, entries } from './fixture.ts';
import { editOn, history, paths, play, type Step } from './histories.ts';
import { TwoNodes } from './two-nodes.ts';

describe('a session of pushes that comes again', () => {
  /** Two nodes after some history, and a session: one push for each edit of the active. */
  function session(nodes: TwoNodes, steps: readonly Step[]): Push[] {
    const sent: Push[] = [];
    for (const [at, step] of steps.entries()) {
      if (step.kind !== 'edit') continue;
      const digest = (at + 1).toString(16).padStart(64, 'e');
      nodes.edit(
        'active',
        step.path,
        step.written.what === 'new' ? { ...A, digest } : entries[step.written.what],
      );
      const next = nodes.plan(step.path);
      if (next === undefined) continue;
      nodes.deliver(next);
      sent.push(next);
    }
    return sent;
  }

  const state = (nodes: TwoNodes) => structuredClone([nodes.disk, nodes.ledger.passive]);
  const edits = fc.array(editOn('active'), { minLength: 1, maxLength: 8 });
  const times = fc.integer({ min: 1, max: 3 });

  it('changes nothing after all of it was handled, however often', () => {
    fc.assert(
      fc.property(history, edits, times, (steps, more, again) => {
        const nodes = new TwoNodes('hold', true);
        play(nodes, steps);
        const sent = session(nodes, more);
        const before = state(nodes);
        for (let i = 0; i < again; i += 1) for (const one of sent) nodes.deliver(one);
        assert.deepEqual(state(nodes), before);
      }),
      { numRuns: 1000 },
    );
  });

  it('changes nothing when the link breaks anywhere, and all whose acks were lost is sent again', () => {
    fc.assert(
      fc.property(history, edits, fc.nat(8), times, (steps, more, acked, again) => {
        const nodes = new TwoNodes('hold', true);
        play(nodes, steps);
        // What was not sent before is no part of this session.
        for (const path of paths) nodes.push(path);
        const ledger = structuredClone(nodes.ledger.active);
        const sent = session(nodes, more);
        const before = state(nodes);
        for (const one of sent.slice(0, acked))
          if (!nodes.conflicts.has(one.path)) ledger.set(one.path, one.put);
        for (let i = 0; i < again; i += 1) {
          for (const path of paths) {
            const known = ledger.get(path);
            if (known === undefined) nodes.ledger.active.delete(path);
            else nodes.ledger.active.set(path, known);
            nodes.push(path);
          }
        }
        assert.deepEqual(state(nodes), before);
      }),
      { numRuns: 1000 },
    );
  });

  it('changes nothing when any part of it comes again that ends with the last push of each of its paths', () => {
    fc.assert(
      fc.property(history, edits, fc.nat(8), times, (steps, more, length, again) => {
        const nodes = new TwoNodes('hold', true);
        play(nodes, steps);
        const sent = session(nodes, more);
        const rest = new Set(sent.slice(length).map(({ path }) => path));
        const prefix = sent.slice(0, length).filter(({ path }) => !rest.has(path));
        const before = state(nodes);
        for (let i = 0; i < again; i += 1) for (const one of prefix) nodes.deliver(one);
        assert.deepEqual(state(nodes), before);
      }),
      { numRuns: 500 },
    );
  });

  /** Rule 6 takes it for a push that replaces what was agreed: by its value alone it is one. */
  it('a push that comes again after a later one of its path is told by its number only: see serving', () => {
    const [path] = paths;
    assert.ok(path);
    const nodes = new TwoNodes('hold', true);
    const first = { path, expect: entries.absent, put: A };
    nodes.deliver(first);
    nodes.deliver({ path, expect: A, put: entries.B });
    nodes.deliver(first);
    assert.deepEqual(nodes.on('passive', path), A);
  });
});
