import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Entry, identicalEntry, sameEntry } from '../../src/core/entry.ts';
import type { ReplicaPath } from '../../src/core/path.ts';
import { A } from './fixture.ts';
import {
  compare,
  editOn,
  history,
  often,
  paths,
  play,
  push,
  restart,
  type Step,
  somePath,
  toQuiescence,
  twoNodes,
} from './histories.ts';
import { TwoNodes } from './two-nodes.ts';

describe('no unseen byte is ever overwritten', () => {
  it('under hold, only what the active itself had, or both agreed on, is replaced on the passive', () => {
    let replaced = 0;
    fc.assert(
      fc.property(history, (steps) => {
        const nodes = new TwoNodes('hold', true);
        play(nodes, steps);
        for (const { node, path, entry } of nodes.displaced) {
          assert.equal(node, 'passive');
          if (entry.kind !== 'file') continue;
          assert.ok(nodes.wasOnActive(path, entry), `${entry.digest} of the passive alone is gone`);
          replaced += 1;
        }
      }),
      { numRuns: 2000 },
    );
    assert.ok(replaced > 100, `only ${replaced} files were replaced`);
  });

  it('under any policy, whatever is on neither disk any more and was on the passive is a version', () => {
    let kept = 0;
    fc.assert(
      fc.property(twoNodes, history, ({ policy, clocks }, steps) => {
        const nodes = new TwoNodes(policy, clocks);
        const versions = () => nodes.displaced.map(({ entry }) => entry);
        let seen: { path: ReplicaPath; entry: Entry }[] = [];
        const stillThere = (step?: Step) => {
          for (const { path, entry } of seen) {
            if (sameEntry(nodes.on('passive', path), entry)) continue;
            assert.ok(versions().some((version) => sameEntry(version, entry)));
            kept += 1;
          }
          // What somebody replaces by hand on the node itself is that person's affair.
          const byHand =
            step?.kind === 'edit' || (step?.kind === 'reconcile' && step.meanwhile !== undefined);
          seen = paths
            .filter(
              (path) => !(byHand && step.path === path && (step.kind !== 'edit' || step.node === 'passive')),
            )
            .map((path) => ({ path, entry: nodes.on('passive', path) }));
        };
        play(nodes, steps, stillThere);
        stillThere();
      }),
      { numRuns: 1000 },
    );
    assert.ok(kept > 100, `only ${kept} were kept`);
  });

  it('what somebody writes between the look of the active and its push is never replaced by that push', () => {
    fc.assert(
      fc.property(twoNodes, history, somePath, fc.nat(), ({ policy, clocks }, steps, path, token) => {
        const nodes = new TwoNodes(policy === 'newest-wins' ? 'hold' : policy, clocks);
        play(nodes, steps);
        const meanwhile = { ...A, digest: token.toString(16).padStart(64, 'f') };
        const before = nodes.displaced.length;
        // By active-wins the active learns of it from the answer, and replaces it knowingly the next time.
        nodes.reconcile(path, { meanwhile, ackLost: true });
        assert.deepEqual(nodes.on('passive', path), meanwhile);
        assert.equal(nodes.displaced.length, before);
      }),
      { numRuns: 500 },
    );
  });
});

describe('after quiescence', () => {
  it('both nodes hold the same wherever there is no conflict', () => {
    let equal = 0;
    fc.assert(
      fc.property(twoNodes, history, ({ policy, clocks }, steps) => {
        const nodes = new TwoNodes(policy, clocks);
        play(nodes, steps);
        toQuiescence(nodes);
        for (const path of paths) {
          const same = identicalEntry(nodes.on('active', path), nodes.on('passive', path));
          assert.equal(same, !nodes.conflicts.has(path), path);
        }
        if (nodes.conflicts.size === 0) equal += 1;
      }),
      { numRuns: 1500 },
    );
    assert.ok(equal > 100, `only ${equal} histories ended without conflict`);
  });

  it('there is no conflict if only the active was edited, whatever was lost on the way', () => {
    const alone = fc.array(fc.oneof(editOn('active'), push, compare, restart), often);
    fc.assert(
      fc.property(twoNodes, alone, ({ policy, clocks }, steps) => {
        const nodes = new TwoNodes(policy, clocks);
        const undisturbed = steps.map((step) =>
          step.kind === 'reconcile' ? { ...step, meanwhile: undefined } : step,
        );
        play(nodes, undisturbed);
        toQuiescence(nodes);
        assert.deepEqual([...nodes.conflicts], []);
        for (const path of paths)
          assert.ok(identicalEntry(nodes.on('active', path), nodes.on('passive', path)));
      }),
      { numRuns: 1000 },
    );
  });

  it('active-wins leaves no conflict', () => {
    fc.assert(
      fc.property(history, fc.boolean(), (steps, clocks) => {
        const nodes = new TwoNodes('active-wins', clocks);
        play(nodes, steps);
        toQuiescence(nodes);
        assert.deepEqual([...nodes.conflicts], []);
      }),
      { numRuns: 500 },
    );
  });

  it('newest-wins leaves only conflicts that times do not decide', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const nodes = new TwoNodes('newest-wins', true);
        play(nodes, steps);
        toQuiescence(nodes);
        for (const path of nodes.conflicts) {
          const [here, there] = [nodes.on('active', path), nodes.on('passive', path)];
          assert.ok(here.kind !== 'file' || there.kind !== 'file' || here.mtime === there.mtime);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('one more exchange changes nothing', () => {
    fc.assert(
      fc.property(twoNodes, history, ({ policy, clocks }, steps) => {
        const nodes = new TwoNodes(policy, clocks);
        play(nodes, steps);
        toQuiescence(nodes);
        const state = structuredClone([nodes.disk, nodes.ledger, nodes.conflicts, nodes.displaced]);
        toQuiescence(nodes);
        assert.deepEqual([nodes.disk, nodes.ledger, nodes.conflicts, nodes.displaced], state);
      }),
      { numRuns: 500 },
    );
  });
});
