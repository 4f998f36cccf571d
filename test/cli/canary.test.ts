import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it, type TestContext } from 'node:test';
import type { Canaries } from '../../src/active/canary.ts';
import type { Peer } from '../../src/active/peer.ts';
import { Canary, type CanaryOptions } from '../../src/cli/daemon/canary.ts';
import { canaryFolder, canaryPath, type SilenceCause } from '../../src/core/canary.ts';
import type { FileEntry } from '../../src/core/entry.ts';
import type { Event } from '../../src/core/event.ts';
import { Directories } from '../../src/files/confined.ts';
import { observe } from '../../src/files/observe.ts';
import { memoryCache, temporaryFolder } from '../files/fixture.ts';

const intervalMs = 1000;

/** A node with peers that are what the test says, and a clock that it moves. */
class Node {
  readonly root: string;
  readonly events: Event[] = [];
  readonly latencies: string[] = [];
  /** Peers that a session is open with, and why they would have no canary. */
  expecting = new Map<string, SilenceCause>([['mail2', 'unnoticed']]);
  peers = ['mail2'];
  isActive = true;
  walks = 0;
  readonly canary: Canary;
  readonly #t: TestContext;

  constructor(t: TestContext, root: string, { started = true, everyMs = intervalMs } = {}) {
    this.#t = t;
    this.root = root;
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const canaries = {
      expectedBy: ({ name }: Peer) => this.expecting.has(name),
      causeOf: ({ name }: Peer) => ({ cause: this.expecting.get(name) ?? 'unnoticed' }),
    } as unknown as Canaries;
    const active: CanaryOptions['active'] = () =>
      this.isActive
        ? { peers: this.peers.map((name) => ({ name }) as unknown as Peer), canaries }
        : undefined;
    this.canary = new Canary({
      root,
      intervalMs: everyMs,
      active,
      log: (event) => void this.events.push(event),
      lookAtAll: () => {
        this.walks += 1;
      },
      onLatency: (peer) => void this.latencies.push(peer),
    });
    if (started) this.canary.start();
    t.after(() => this.canary.stop());
  }

  /** So many intervals pass. */
  pass(times: number): void {
    for (let time = 0; time < times; time += 1) this.#t.mock.timers.tick(intervalMs);
  }

  get text(): string | undefined {
    const file = join(this.root, canaryPath);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  /** The canary as it is now arrives at a peer. */
  arrives(peer: string): void {
    using directories = new Directories(this.root);
    const path = canaryPath;
    const look = { directories, path, cache: memoryCache(), maxFileSizeBytes: 1000, checkWriters: false };
    const seen = observe(look);
    assert.ok(seen.kind === 'entry' && seen.entry.kind === 'file');
    this.canary.heard(peer, seen.entry as FileEntry);
  }

  silent(): string[] {
    return this.canary
      .told()
      .peers.flatMap(({ peer, silentMs, cause }) => (silentMs === null ? [] : [`${peer} ${cause}`]));
  }

  logged(): string[] {
    return this.events.map((event) => `${event.kind}${'peer' in event ? ` ${event.peer}` : ''}`);
  }
}

describe('the canary of a daemon', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach((t) => {
    folder = temporaryFolder();
    (t as TestContext).after(() => folder[Symbol.dispose]());
  });

  it('is written and heard; one or two that are lost are no silence', (t) => {
    const node = new Node(t, folder.path);
    node.pass(3);
    assert.match(node.text ?? '', /^\d+ \d{4}-/);
    node.pass(1);
    node.arrives('mail2');
    assert.deepEqual(node.latencies, ['mail2']);
    node.pass(2);
    assert.deepEqual([node.silent(), node.logged(), node.walks], [[], [], 0]);
  });

  it('is sent as soon as a peer is in sync, and then at its interval', (t) => {
    const node = new Node(t, folder.path, { started: false, everyMs: 60_000 });
    node.canary.makeRoom();
    node.canary.soon();
    node.pass(1);
    assert.match(node.text ?? '', /^1 /);
    node.canary.start();
    node.arrives('mail2');
    assert.deepEqual(node.latencies, ['mail2']);
    node.pass(59);
    assert.match(node.text ?? '', /^1 /);
    node.pass(1);
    assert.match(node.text ?? '', /^2 /);
  });

  it('is not sent for each of many sessions that come and go: its peer is no more silent for that', (t) => {
    const node = new Node(t, folder.path, { everyMs: 60_000 });
    node.canary.makeRoom();
    for (let session = 0; session < 6; session += 1) {
      node.canary.soon();
      node.pass(1);
    }
    assert.match(node.text ?? '', /^1 /);
    node.pass(9);
    assert.match(node.text ?? '', /^2 /, 'ten seconds after the last one');
    assert.deepEqual([node.silent(), node.logged()], [[], []]);
  });

  it('is not sent any more once the daemon stops', (t) => {
    const node = new Node(t, folder.path);
    node.canary.makeRoom();
    node.canary.stop();
    node.canary.soon();
    node.pass(2);
    assert.equal(node.text, undefined);
  });

  it('three in a row without an ack are a silence, told once, and looked after without haste', (t) => {
    const node = new Node(t, folder.path);
    node.pass(8);
    assert.deepEqual(node.silent(), ['mail2 unnoticed']);
    node.pass(8);
    assert.deepEqual(node.logged(), ['canary-silent mail2']);
    assert.equal(node.walks, 1, 'not at each of them');
    node.arrives('mail2');
    assert.deepEqual([node.silent(), node.logged()], [[], ['canary-silent mail2', 'canary-heard mail2']]);
  });

  it('one of several peers that is silent is told alone; a walk would not help one that does not answer', (t) => {
    const node = new Node(t, folder.path);
    node.peers = ['mail2', 'mail3', 'mail4'];
    node.expecting = new Map([
      ['mail2', 'unnoticed'],
      ['mail3', 'unanswered'],
    ]);
    for (let time = 0; time < 9; time += 1) {
      node.pass(1);
      if (node.text !== undefined) node.arrives('mail2');
    }
    assert.deepEqual(node.silent(), ['mail3 unanswered']);
    assert.deepEqual(node.logged(), ['canary-silent mail3']);
    assert.equal(node.walks, 0);
    assert.equal(node.canary.told().peers.length, 3, 'mail4 is not connected, which is told elsewhere');
  });

  it('rests while nothing may be sent, and forgets what it waited for', (t) => {
    const node = new Node(t, folder.path);
    node.pass(8);
    assert.deepEqual(node.silent(), ['mail2 unnoticed']);
    node.isActive = false;
    const before = node.text;
    node.pass(5);
    assert.equal(node.text, before, 'none is written');
    assert.deepEqual(node.canary.told().peers, []);
    node.isActive = true;
    assert.deepEqual(node.silent(), []);
    node.pass(2);
    assert.deepEqual(node.silent(), [], 'it counts anew');
  });

  it('does not hold a peer that was away against it', (t) => {
    const node = new Node(t, folder.path);
    node.pass(3);
    node.expecting.clear();
    node.pass(5);
    node.expecting.set('mail2', 'unnoticed');
    node.pass(2);
    assert.deepEqual([node.silent(), node.logged()], [[], []]);
  });

  it('that cannot be written is told once, and is no silence', (t) => {
    mkdirSync(folder.at('var/lib'), { recursive: true });
    symlinkSync('/elsewhere', folder.at(canaryFolder));
    const node = new Node(t, folder.path);
    node.pass(9);
    assert.deepEqual([node.silent(), node.logged()], [[], ['canary-failed']]);
    assert.match(node.canary.told().failure ?? '', /canary/);
    node.isActive = false;
    assert.equal(node.canary.told().failure, null, 'none has to be written');
  });
});
