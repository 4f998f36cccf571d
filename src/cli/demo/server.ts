import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import { generateKeyPair } from '../../active/link.ts';

const { Server, utils } = ssh2;

export type EmbeddedServer = {
  readonly port: number;
  /** `ssh-ed25519 AAAA…`, to be pinned. */
  readonly hostKey: string;
  readonly privateKey: string;
  close(): void;
};

/**
 * A throwaway SSH server on loopback that knows one key and one command: whatever is asked for, `onSession`
 * gets the stream. For the demonstration and for tests; a real passive node uses OpenSSH.
 */
export async function openEmbeddedServer(onSession: (stream: Duplex) => void): Promise<EmbeddedServer> {
  const host = generateKeyPair('host');
  const client = generateKeyPair('client');
  const allowed = utils.parseKey(client.publicKey);
  if (allowed instanceof Error) throw allowed;
  const server = new Server({ hostKeys: [host.privateKey] }, (connection) => {
    connection.on('authentication', (context) => {
      if (context.method !== 'publickey' || !context.key.data.equals(allowed.getPublicSSH()))
        return context.reject(['publickey']);
      if (context.signature === undefined || context.blob === undefined) return context.accept();
      return allowed.verify(context.blob, context.signature, context.hashAlgo) === true
        ? context.accept()
        : context.reject();
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec) => onSession(acceptExec()));
    });
    // The type lacks what the class has: without it acks wait for the client's delayed TCP acknowledgement.
    connection.on('ready', () =>
      (connection as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true),
    );
    // The client may vanish at any time; the session's stream ends with it.
    connection.on('error', () => connection.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the embedded server has no port');
  return {
    port: address.port,
    hostKey: host.publicKey,
    privateKey: client.privateKey,
    close: () => server.close(),
  };
}
