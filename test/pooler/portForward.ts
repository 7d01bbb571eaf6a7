// Gives servers that listen on ports of their own one port on addresses of their own, and counts who is connected.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface PortForward extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly connectionCount: () => number;
}

/** Forwards `host:port` (0 for any free one) to `127.0.0.1:toPort`. */
export async function forwardPort(host: string, port: number, toPort: number): Promise<PortForward> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(toPort, '127.0.0.1');
    open.add(client);
    client.on('close', () => open.delete(client));
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    host,
    port: (server.address() as AddressInfo).port,
    connectionCount: () => open.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
