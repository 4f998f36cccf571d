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

test('where a directory was a short while ago chokidar looks itself, but for our own temporary names', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const names = new PlainNames();
  names.note('/etc/never', 'absent');
  assert.ok(names.has('/etc/never'));
  names.note('/etc/never', 'directory');
  assert.equal(names.has('/etc/never'), false);

  names.note('/etc/d', 'directory');
  names.note('/etc/d', 'absent');
  assert.equal(names.has('/etc/d'), false);
  t.mock.timers.tick(9_999);
  names.note('/etc/d', 'absent');
  assert.equal(names.has('/etc/d'), false, 'it may have been about to be watched');
  for (const ms of [1, 10_000, 10_000]) t.mock.timers.tick(ms);
  names.note('/etc/d', 'absent');
  assert.ok(names.has('/etc/d'));

  names.note(temporary, 'directory');
  names.note(temporary, 'absent');
  assert.ok(names.has(temporary));
});
