import 'reflect-metadata';
import { X509Crl } from '@peculiar/x509';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, startJourney, type Cast, type Journey } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterAll(() => t.close());

const list = async () => {
  const answer = await fetch(`${t.url}/v1/crl`);
  return answer.status === 200 ? new X509Crl(await answer.arrayBuffer()) : undefined;
};

it('a revoked certificate ends what its agent has open, and is on the list within seconds', async () => {
  const cast = await t.cast();
  const { body } = await t.api<{ data: { id: string; serial_number: string } }>(
    'POST',
    `/v1/agents/${cast.agent_id}/certify`,
    { key: 'p-256' },
  );
  const { id, serial_number } = body.data;
  const approved = await t.approved(cast);
  const challenged = (await t.propose(cast, { delegation_id: cast.cautious })).body;
  const before = await eventually(list, (crl) => crl !== undefined, 30_000);
  expect(before!.findRevoked(serial_number)).toBeNull();

  const revoked = await t.api<{ data: { affected_executions: unknown[] } }>('POST', `/v1/certificates/${id}/revoke`, {
    reason: 'seen elsewhere',
    reason_code: 'keyCompromise',
  });
  expect(revoked.body.data.affected_executions).toEqual(
    expect.arrayContaining([
      { execution_ref: approved.execution_ref, outcome: 'lapsed' },
      { execution_ref: challenged.execution_ref, outcome: 'denied' },
    ]),
  );
  expect((await t.pay(approved)).status).toBe(409);
  expect((await t.propose(cast)).body.decision).toBe('deny');
  const after = await eventually(list, (crl) => !!crl?.findRevoked(serial_number), 30_000);
  expect(after!.findRevoked(serial_number)).toMatchObject({ reason: 1 });
  // Every workflow that waited under it has heard.
  await eventually(
    async () =>
      (await t.database.pool.query<{ status: string }>(`SELECT status FROM stops WHERE target = $1`, [id])).rows[0],
    (stop) => stop?.status === 'confirmed',
    30_000,
  );
});

it('is taken away by the agent’s own behaviour, and that of an agent that behaves is not (control)', async () => {
  const [bad, good] = [await t.cast(), await t.cast()];
  const certify = async ({ agent_id }: Cast) => {
    const path = `/v1/agents/${agent_id}/certify`;
    return (await t.api<{ data: { id: string; serial_number: string } }>('POST', path, { key: 'p-256' })).body.data;
  };
  const [lost, kept] = [await certify(bad), await certify(good)];
  await eventually(list, (crl) => crl !== undefined, 30_000);
  for (const [{ agent_id: agentId }, risk_score] of [[bad, 0.9] as const, [good, 0.2] as const])
    for (let event = 0; event < 3; event++)
      await t.api('POST', '/v1/events', { agentId, actionType: 'api_call', details: { risk_score } });
  const crl = await eventually(list, (after) => !!after?.findRevoked(lost.serial_number), 30_000);
  expect(crl!.findRevoked(lost.serial_number)).toMatchObject({ reason: 9 });
  expect(crl!.findRevoked(kept.serial_number)).toBeNull();
  const verify = async (serial: string) =>
    ((await (await fetch(`${t.url}/v1/verify/${serial}`)).json()) as { data: { status: string } }).data;
  expect([await verify(lost.serial_number), await verify(kept.serial_number)]).toMatchObject([
    { status: 'revoked' },
    { status: 'active' },
  ]);
});
