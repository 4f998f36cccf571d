import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlainNames } from '../../src/watch/plain-names.ts';

test('a name counts as no directory until something else is seen of it, or a moment is over', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const names = new PlainNames();
  names.note('/etc/.a~', true);
  names.note('/etc/b', true);
  assert.ok(names.has('/etc/.a~'));
  names.note('/etc/b', false);
  assert.equal(names.has('/etc/b'), false);
  t.mock.timers.tick(500);
  assert.equal(names.has('/etc/.a~'), false);
  names.note('/etc/b', true);
  assert.ok(names.has('/etc/b'));
  t.mock.timers.tick(500);
  assert.equal(names.has('/etc/b'), false);
});
