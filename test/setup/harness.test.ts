import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from './database.ts';
import type { TestDatabase } from './database.ts';
import { OutsideNetworkError } from './no-outside-network.ts';
import { connectTemporal } from './temporal.ts';
import type { TestTemporal } from './temporal.ts';

describe('test databases', () => {
  let first: TestDatabase;
  let second: TestDatabase;
  beforeAll(async () => {
    [first, second] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  });
  afterAll(() => Promise.all([first.drop(), second.drop()]));

  it('carry the migrated schema', async () => {
    const { rows } = await first.pool.query('SELECT name FROM schema_migrations');
    expect(rows.length).toBeGreaterThan(0);
  });

  it('do not see each other', async () => {
    await first.pool.query('CREATE TABLE marker (id int)');
    await expect(first.pool.query('SELECT * FROM marker')).resolves.toMatchObject({ rowCount: 0 });
    await expect(second.pool.query('SELECT * FROM marker')).rejects.toThrow('does not exist');
  });
});

describe('the shared Temporal server', () => {
  let temporal: TestTemporal;
  beforeAll(async () => {
    temporal = await connectTemporal();
  });
  afterAll(() => temporal.close());

  it('knows the search attributes of an installation', async () => {
    await expect(temporal.client.workflow.count(`Organization = 'none'`)).resolves.toMatchObject({ count: 0 });
    await expect(temporal.client.workflow.count(`Unheard = 'none'`)).rejects.toThrow();
  });

  it('gives every test a queue of its own', () => {
    expect(temporal.taskQueue()).not.toBe(temporal.taskQueue());
  });
});

describe('connections outside this machine', () => {
  it.each(['192.0.2.1', 'example.com', '2001:db8::1'])('to %s are refused', (host) => {
    expect(() => connect({ host, port: 9 })).toThrow(OutsideNetworkError);
    expect(() => connect(9, host)).toThrow(OutsideNetworkError);
  });

  it('are refused when a name resolves to one', async () => {
    const error = await new Promise((resolve) => {
      const socket = connect({
        host: 'inside.test',
        port: 9,
        lookup: (_host, options, answer) =>
          options.all ? answer(null, [{ address: '192.0.2.1', family: 4 }]) : answer(null, '192.0.2.1', 4),
      });
      socket.once('error', resolve);
    });
    expect(error).toBeInstanceOf(OutsideNetworkError);
  });

  it.each(['127.0.0.1', 'localhost', '::1'])('but %s may be called', async (host) => {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
      connect({ host, port: 1 }).once('error', resolve),
    );
    expect(error).not.toBeInstanceOf(OutsideNetworkError);
  });
});
