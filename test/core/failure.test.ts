import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertNever, exitCodes, Failure, nagiosCodes, type Retry, retryOf } from '../../src/core/failure.ts';

describe('when a refused path is tried again', () => {
  const retries: Record<Retry, string[]> = {
    'with-session': ['ha-disabled', 'peer-is-active', 'split-brain', 'stale-epoch', 'superseded'],
    'with-content': ['need-content'],
    soon: [
      'busy',
      'digest-mismatch',
      'group-failed',
      'io',
      'low-disk',
      'no-space',
      'not-empty',
      'parent-missing',
      'read-only',
      'unstable',
    ],
    'at-reconcile': [
      'bad-path',
      'no-xattrs',
      'not-confined',
      'outside-watchlist',
      'permission',
      'too-large',
      'unknown-owner',
      'unsupported-type',
      'validator-failed',
    ],
  };
  for (const [retry, reasons] of Object.entries(retries)) {
    it(`${retry}: ${reasons.join(', ')}`, () => {
      const found = Object.entries(retryOf).filter(([, when]) => when === retry);
      assert.deepEqual(found.map(([reason]) => reason).sort(), reasons);
    });
  }
});

it('exit codes are those that other programs rely on', () => {
  const expected = { done: 0, drift: 1, usage: 2, unreachable: 3, refused: 4, halted: 5, bug: 70 };
  // What Nagios expects of a plugin.
  const nagios = { ok: 0, warning: 1, critical: 2, unknown: 3 };
  assert.deepEqual(exitCodes, expected);
  assert.deepEqual(nagiosCodes, nagios);
});

describe('a failure', () => {
  const about = {
    code: 'stale-epoch',
    exit: 'refused',
    message: 'mail2 refused the push: it holds epoch 8, this node holds 7',
    hint: 'this node was demoted; see `bm-confsync status`',
  } as const;

  it('carries code, exit, message and hint', () => {
    const failure = new Failure(about);
    const { name, code, exit, message, hint } = failure;
    assert.deepEqual({ name, code, exit, message, hint }, { name: 'Failure', ...about });
    assert.ok(failure instanceof Error);
  });
  it('keeps its cause', () => {
    const cause = new Error('ECONNREFUSED');
    assert.equal(new Failure({ ...about, cause }).cause, cause);
  });
  it('has no cause where none was given', () => {
    assert.equal('cause' in new Failure(about), false);
    assert.equal('cause' in new Failure({ ...about, cause: undefined }), false);
  });
});

it('an impossible value is thrown, and named', () => {
  assert.throws(() => assertNever({ kind: 'new' } as never), /unexpected value \{"kind":"new"\}/);
});
