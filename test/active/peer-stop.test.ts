import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Peer } from '../../src/active/peer.ts';
import { Passive } from '../main/hostile-wire-rig.ts';

describe('a peer that is stopped', () => {
  const moments: [string, (stop: () => void) => void][] = [
    ['as the link is there', (stop) => stop()],
    ['before the hello is sent', (stop) => queueMicrotask(stop)],
  ];
  for (const [when, schedule] of moments) {
    it(`opens no session afterwards: ${when}`, async () => {
      await using passive = await Passive.open();
      const told: string[] = [];
      const { promise: stopped, resolve } = Promise.withResolvers<void>();
      const peer: Peer = new Peer({
        name: 'mail2',
        node: 'mail1',
        version: '0',
        seat: { role: 'active', epoch: 5 },
        watchlistsDigest: '',
        replicator: {
          peer: 'mail2',
          halt: undefined,
          attach: () => void told.push('attached'),
          detach: () => undefined,
        } as never,
        tree: {} as never,
        connect: async () => {
          const { stream } = passive.stream();
          schedule(() => void peer.stop().then(resolve));
          return { stream, isSlow: false, complaint: () => '', close: () => void stream.destroy() };
        },
        log: () => undefined,
        now: Date.now,
        random: Math.random,
        inConflict: () => [],
        onRefused: () => undefined,
        answerDeadlineMs: 20_000,
      } as ConstructorParameters<typeof Peer>[0]);
      peer.start();
      await stopped;
      assert.deepEqual(told, []);
    });
  }
});
