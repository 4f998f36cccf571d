import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlainNames } from '../../src/watch/plain-names.ts';

const temporary = '/etc/.a.bmcs-0123456789ab~';

test('a name counts as no directory until something else is seen of it, or a moment is over', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const names = new PlainNames();
  names.note(temporary, 'absent');
  names.note('/etc/b', 'other');
  assert.ok(names.has(temporary));
  names.note('/etc/b', 'directory');
  assert.equal(names.has('/etc/b'), false);
  t.mock.timers.tick(500);
  assert.equal(names.has(temporary), false);
  names.note('/etc/b', 'other');
  assert.ok(names.has('/etc/b'));
  t.mock.timers.tick(500);
  assert.equal(names.has('/etc/b'), false);
});

test('a name that is gone may be a directory again at once, but for our own temporary ones', () => {
  const names = new PlainNames();
  names.note('/etc/d', 'absent');
  assert.equal(names.has('/etc/d'), false);
  names.note(temporary, 'absent');
  assert.ok(names.has(temporary));
  names.note('/etc/d', 'other');
  names.note('/etc/d', 'absent');
  assert.equal(names.has('/etc/d'), false);
});
