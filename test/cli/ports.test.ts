import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { choosePorts, isPortFree, nextFreePort, PortBusyError } from '../../src/cli/provision/ports.ts';

const servers: Server[] = [];
async function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
}
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

describe('ports', () => {
  it('tells a free port from one that is listened on', async () => {
    const port = await nextFreePort(17_500);
    expect(await isPortFree(port)).toBe(true);
    await occupy(port);
    expect(await isPortFree(port)).toBe(false);
    expect(await nextFreePort(port)).toBeGreaterThan(port);
  });

  it('passes over ports that are promised to others', async () => {
    const port = await nextFreePort(17_520);
    expect(await nextFreePort(port, new Set([port]))).toBeGreaterThan(port);
  });

  it('gives the API the port asked for, and the others those above it', async () => {
    const base = await nextFreePort(17_540);
    const ports = await choosePorts({ api: base });
    expect(ports.api).toBe(base);
    expect(new Set(Object.values(ports)).size).toBe(5);
    expect(Math.min(...Object.values(ports))).toBe(base);
  });

  it('refuses a busy API port by naming it and the next free one', async () => {
    const base = await nextFreePort(17_560);
    await occupy(base);
    const refusal = await choosePorts({ api: base }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PortBusyError);
    const { port, free, message } = refusal as PortBusyError;
    expect(port).toBe(base);
    expect(await isPortFree(free)).toBe(true);
    expect(message).toContain(`Port ${base} (API) is in use; the next free one is ${free}.`);
    expect(message).toContain(`--port ${free}`);
  });

  it('moves any other part on when its port is busy', async () => {
    const base = await nextFreePort(17_580);
    await occupy(base + 1);
    const ports = await choosePorts({ api: base });
    expect(ports.simulator).toBeGreaterThan(base + 1);
  });

  it('keeps what the parts had last time, and refuses to move one that must stay', async () => {
    const base = await nextFreePort(17_600);
    const previous = { api: base, simulator: base + 7 };
    expect(await choosePorts({ api: undefined, previous })).toMatchObject(previous);
    await occupy(base + 7);
    await expect(choosePorts({ api: undefined, previous, fixed: { simulator: 'Free it.' } })).rejects.toThrow(
      new RegExp(`Port ${base + 7} \\(processor simulator\\) is in use.*Free it\\.`),
    );
  });
});
