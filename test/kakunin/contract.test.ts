import { describe, expect, it } from 'vitest';
import { Contract, ContractBroken, haveContract, NO_CONTRACT } from './contract.ts';

const ID = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10';
const data = { serial_number: 'AB', status: 'active', agent_id: ID, issued_at: 'x', expires_at: 'y' };
const good = { method: 'GET', path: '/v1/verify/AB', status: 200, contentType: 'application/json', answer: { data } };

describe.runIf(haveContract)('the published contract', () => {
  it('is read as a whole, and takes what it describes', () => {
    const contract = new Contract();
    expect(contract.all.length).toBe(26);
    contract.check(good);
    expect([...contract.seen]).toEqual(['GET /v1/verify/{serial} 200']);
  });

  it.each([
    ['a status of its own', { ...good, status: 418 }],
    ['a missing member', { ...good, answer: { data: { ...data, agent_id: undefined } } }],
    ['a word that is none', { ...good, answer: { data: { ...data, status: 'fine' } } }],
    ['another media type', { ...good, contentType: 'text/html' }],
    ['a path of ours', { ...good, path: '/v1/certificates' }],
    ['an error without a sentence', { ...good, status: 404, answer: { code: 'not_found' } }],
    ['an error without a code', { ...good, status: 404, answer: { error: 'None.' } }],
    [
      'an accepted request without a member',
      { ...good, method: 'POST', path: `/v1/certificates/${ID}/revoke`, body: {}, answer: {} },
    ],
    [
      'an accepted number that is too large',
      { ...good, path: '/v1/audit-log?limit=101', answer: { data: [], next_cursor: null } },
    ],
  ])('refuses %s', (_, exchange) => {
    expect(() => new Contract().check(exchange)).toThrow(ContractBroken);
  });

  it('takes null where the contract does, and not elsewhere', () => {
    const contract = new Contract();
    const check = (next_cursor: unknown) =>
      contract.check({ ...good, path: '/v1/audit-log', answer: { data: [], next_cursor } });
    check(null);
    expect(() => check(1)).toThrow('next_cursor');
  });
});

it.skipIf(haveContract)(NO_CONTRACT, ({ skip }) => {
  expect(haveContract).toBe(false);
  skip(NO_CONTRACT);
});
