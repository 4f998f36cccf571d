import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { maxFrameBytes } from '../../src/wire/frame.ts';
import { leftovers, write } from '../world/tree.ts';
import { Passive, type Sender } from './hostile-wire-rig.ts';

const untouched = { 'etc/a.conf': 'mine' };

async function refusedGreeting(passive: Passive, greet: (sender: Sender) => void) {
  write(passive.root, untouched);
  const before = passive.tree();
  const sender = passive.connect();
  greet(sender);
  sender.push('/etc/new.conf', 'x');
  const refusal = await sender.next('refused');
  await sender.over;
  assert.equal(passive.tree(), before);
  return refusal;
}

describe('a session whose greeting is not right', () => {
  const greetings = [
    ['speaks protocol 2', { protocol: 2 }, 'io', /expected protocol 1, found 2/],
    ['has the same node name', { node: 'mail2' }, 'io', /both nodes call themselves mail2/],
    ['holds an older epoch', { epoch: 4 }, 'stale-epoch', /holds epoch 5/],
  ] as const;
  for (const [what, changes, reason, detail] of greetings) {
    it(`is refused when the sender ${what}`, async () => {
      await using passive = await Passive.open();
      const refusal = await refusedGreeting(passive, (sender) => sender.hello(changes));
      assert.equal(refusal.reason, reason);
      assert.match(refusal.detail, detail);
      assert.equal(refusal.epoch, 5);
    });
  }

  it('is refused with split-brain when this node is active with the same epoch', async () => {
    await using passive = await Passive.open();
    passive.node.seats.write({ role: 'active', epoch: 5 });
    const refusal = await refusedGreeting(passive, (sender) => sender.hello());
    assert.equal(refusal.reason, 'split-brain');
  });

  it('is refused with peer-is-active when this node is active with an older epoch', async () => {
    await using passive = await Passive.open();
    passive.node.seats.write({ role: 'active', epoch: 5 });
    const refusal = await refusedGreeting(passive, (sender) => sender.hello({ epoch: 6 }));
    assert.equal(refusal.reason, 'peer-is-active');
    assert.equal(passive.node.seat().epoch, 5, 'a refused sender teaches no epoch');
  });

  it('is refused with the reason of the switch when HA is disabled', async () => {
    await using passive = await Passive.open();
    passive.node.switches.disable({ reason: 'upgrade to 5.2', by: 'root' }, Date.now());
    const refusal = await refusedGreeting(passive, (sender) => sender.hello());
    assert.equal(refusal.reason, 'ha-disabled');
    assert.match(refusal.detail, /upgrade to 5\.2/);
  });

  it('is refused when a push comes before hello', async () => {
    await using passive = await Passive.open();
    const refusal = await refusedGreeting(passive, () => undefined);
    assert.match(refusal.detail, /expected hello first, found push/);
  });

  it('is refused at the second hello', async () => {
    await using passive = await Passive.open();
    write(passive.root, untouched);
    const before = passive.tree();
    const sender = await passive.session();
    sender.hello();
    sender.push('/etc/new.conf', 'x');
    assert.match((await sender.next('refused')).detail, /hello came twice/);
    await sender.over;
    assert.equal(passive.tree(), before);
  });

  it('is refused when both hellos come at once', async () => {
    await using passive = await Passive.open();
    const before = passive.tree();
    const sender = passive.connect();
    sender.hello();
    sender.hello();
    sender.push('/etc/new.conf', 'x');
    await sender.next('welcome');
    assert.match((await sender.next('refused')).detail, /hello came twice/);
    await sender.over;
    assert.equal(passive.tree(), before);
  });

  it('may look, but a push in it is refused', async () => {
    await using passive = await Passive.open();
    const before = passive.tree();
    const sender = passive.connect();
    sender.hello({ purpose: 'inspect' });
    await sender.next('welcome');
    const result = await sender.ack(sender.push('/etc/new.conf', 'x'));
    assert.equal(result.kind, 'refused');
    assert.match(result.kind === 'refused' ? result.detail : '', /look only/);
    assert.equal(passive.tree(), before);
  });
});

describe('bytes that are not of the protocol', () => {
  const oversize = Buffer.alloc(8);
  oversize.writeUInt32LE(maxFrameBytes + 1, 0);
  const longHeader = Buffer.alloc(8);
  longHeader.writeUInt32LE(100, 0);
  longHeader.writeUInt32LE(0xffffffff, 4);
  const notJson = Buffer.concat([Buffer.from([5, 0, 0, 0, 5, 0, 0, 0]), Buffer.from('{oops')]);
  const bytes = [
    ['an oversize frame', oversize, /frame-too-large: expected at most 4194304 bytes, found 4194305/],
    ['a header that is longer than its frame', longHeader, /header-too-large/],
    ['a header that is not JSON', notJson, /header-not-json/],
    ['garbage', Buffer.alloc(4096, 0xa5), /frame-too-large/],
  ] as const;
  for (const [what, sent, detail] of bytes) {
    it(`end the session with a reason and change nothing: ${what}, before and after hello`, async () => {
      await using passive = await Passive.open();
      write(passive.root, untouched);
      const before = passive.tree();
      const early = passive.connect();
      early.raw(sent);
      assert.match((await early.over).detail, detail);
      const late = await passive.session();
      late.raw(sent);
      assert.match((await late.over).detail, detail);
      assert.equal(passive.tree(), before);
    });
  }

  it('end the session when they come instead of the preamble, as a login banner would', async () => {
    await using passive = await Passive.open();
    const sender = passive.connect();
    sender.raw(Buffer.from('Last login: Mon Nov 23\n'));
    const end = await sender.over;
    assert.equal(end.kind, 'broken');
  });

  const messages = [
    ['of an unknown kind', { t: 'format-disk' }],
    ['with an unknown key', { t: 'ping', id: 1, also: 'this' }],
    ['with a negative id', { t: 'ping', id: -1 }],
    ['that is null', null],
    ['with a mode beyond the bits there are', { t: 'push', put: { kind: 'directory', mode: 0o10000 } }],
  ] as const;
  for (const [what, message] of messages) {
    it(`end the session with a reason: a message ${what}`, async () => {
      await using passive = await Passive.open();
      const sender = await passive.session();
      sender.say(message);
      const end = await sender.over;
      assert.equal(end.kind, 'broken');
      assert.match(end.detail, /a message that is not of the protocol/);
    });
  }

  it('leave nothing behind when the stream is cut in the middle of a chunked file', async () => {
    await using passive = await Passive.open();
    write(passive.root, untouched);
    const before = passive.tree();
    const sender = await passive.session();
    const text = 'y'.repeat(300_000);
    const id = sender.push('/etc/big.conf', text, { content: 'stream' });
    sender.say({ t: 'chunk', id, last: false }, Buffer.from(text.slice(0, 200_000)));
    sender.say({ t: 'ping', id: 99 });
    await sender.next('pong');
    assert.notEqual(leftovers(passive.root), '', 'the file is on its way');
    await sender.cut();
    assert.equal(leftovers(passive.root), '');
    assert.equal(passive.tree(), before);
  });

  it('leave nothing behind when the stream is cut in the middle of a frame', async () => {
    await using passive = await Passive.open();
    const sender = await passive.session();
    sender.raw(Buffer.from([200, 0, 0, 0, 100, 0, 0, 0, 1, 2, 3]));
    assert.match((await sender.cut()).detail, /truncated/);
    assert.deepEqual(readdirSync(`${passive.root}/etc`), []);
  });
});
