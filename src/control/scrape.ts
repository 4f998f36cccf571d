import { createServer, type RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { exposition, expositionType, type Measured } from './exposition.ts';
import type { Tallied } from './tally.ts';

/** Asks the node how it is; undefined while it cannot tell. */
export type Tell = () => { readonly measured: Measured; readonly tallied: Tallied };

/** What is to be read at this moment. */
export async function told(tell: Tell): Promise<string> {
  const { measured, tallied } = tell();
  return exposition(measured, tallied);
}

/** Speaks HTTP with whoever connected, at `/metrics`. */
export function scrapes(tell: Tell): (socket: Socket) => void {
  const answer: RequestListener = (request, response) => {
    const [path] = (request.url ?? '').split('?');
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end();
    else if (path !== '/metrics') response.writeHead(404).end('see /metrics\n');
    else
      told(tell).then(
        (text) => response.writeHead(200, { 'content-type': expositionType }).end(text),
        () => response.writeHead(500).end(),
      );
  };
  // It never listens itself: what listens does not need HTTP before somebody comes.
  const server = createServer({ keepAliveTimeout: 5000 }, answer);
  return (socket) => void server.emit('connection', socket);
}
