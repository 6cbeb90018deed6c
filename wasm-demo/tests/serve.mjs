// A static server for the demo, and one that speaks the feed to the same page as a running engine does.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.wasm': 'application/wasm' };

async function answerFile(path, response, change = (text) => text) {
  try {
    const file = join(dist, normalize(path).replace(/^\/$/, '/index.html'));
    let bytes = await readFile(file);
    if (extname(file) === '.html') bytes = Buffer.from(change(bytes.toString()));
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}

async function listen(server, port) {
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return `http://127.0.0.1:${server.address().port}/`;
}

/** Serves wasm-demo/dist as it is. */
export async function serveDemo() {
  const server = createServer((request, response) => answerFile(new URL(request.url, 'http://x').pathname, response));
  return { url: await listen(server, 0), close: () => server.close() };
}

/** Serves the page as live, and feed messages over server-sent events to whoever listens. */
export async function serveLive(port = 0) {
  const listeners = new Set();
  const before = [];
  const write = (response, message) => response.write(`event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    if (pathname !== '/api/v1/stream') {
      answerFile(pathname, response, (text) => text.replace('name="tillrace-source" content="demo"', 'name="tillrace-source" content="live"'));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    for (const message of before) write(response, message);
    listeners.add(response);
    request.on('close', () => listeners.delete(response));
  });
  const url = await listen(server, port);
  return {
    url,
    port: Number(new URL(url).port),
    send(messages) {
      // Who listens later hears all of it again, from the greeting on.
      before.push(...messages);
      for (const response of listeners) for (const message of messages) write(response, message);
    },
    close() {
      for (const response of listeners) response.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
