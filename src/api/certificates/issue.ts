import { createHash, X509Certificate } from 'node:crypto';
import { agentUri, CERTIFIED_KEYS, type CertifiedKey, REVOCATION_REASONS } from '../../domain/certificates.ts';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { activateCertified, holdAgentForCertificate, type AgentRow } from '../../store/agents.ts';
import type { AuthorityRow } from '../../store/certificates/authority-rows.ts';
import {
  closeExpired,
  findActiveCertificate,
  insertCertificate,
  keyObjection,
  revokeCertificateRow,
  type CertificateRow,
} from '../../store/certificates/rows.ts';
import { recordEndOf } from '../../store/certificates/revoke.ts';
import { recordFact } from '../../store/facts.ts';
import { findOrganization } from '../../store/organizations.ts';
import type { Db } from '../../store/pool.ts';
import { newId } from '../../trust/new-id.ts';
import type { FinancialScope } from '../../trust/pki/agent-authority.ts';
import { newAgentKey } from '../../trust/pki/agent-key.ts';
import { keyIdentifier, nameOf, newSerial, signCertificate, subjectOf } from '../../trust/pki/certificate.ts';
import { wholeSeconds } from '../../trust/pki/der.ts';
import { agentExtensions } from '../../trust/pki/profiles.ts';
import { readRequest, RequestRefused } from '../../trust/pki/request.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import type { CertifyOrder } from './certificate-body.ts';

const DAY_MS = 86_400_000;

export interface Issue {
  tenant: Tenant;
  actor: string;
  agent: AgentRow;
  order: CertifyOrder;
  /** The certificate that this one takes the place of, and its key when that goes on to be used. */
  renewed?: CertificateRow;
}

/** The public key that is certified, where it came from, and the private one if it was made here. */
interface CertifiedKeyPair {
  publicKey: Buffer;
  algorithm: string;
  origin: CertificateRow['keyOrigin'];
  privateKey?: string;
}

/**
 * Issues a certificate in the caller's transaction. Whatever takes time (making keys, a call to KMS) is done before the
 * agent is locked; the one active certificate is what the database lets in.
 * @throws Problem `certificate_active`, `unprocessable` @throws SigningKeyAway
 */
export async function issueCertificate(deps: ApiDeps, db: Db, issue: Issue): Promise<CertificateRow> {
  const { tenant, agent, order, renewed } = issue;
  const at = wholeSeconds(new Date());
  checkAgent(agent);
  if (!renewed && (await findActiveCertificate(db, tenant, agent.id, at))) throw alreadyCertified();
  const pair = await keyPairOf(issue);
  const keyHash = createHash('sha256').update(pair.publicKey).digest();
  const objection = await keyObjection(db, agent.id, keyHash);
  if (objection) throw refusedRequest(OBJECTIONS[objection]);
  const issuer = await deps.authorities.issuing();
  const serial = newSerial();
  const expiresAt = new Date(Math.min(at.getTime() + order.validity_days * DAY_MS, issuer.notAfter.getTime()));
  const certificate = await sign(deps, db, { issue, issuer, pair, serial, at, expiresAt });

  const held = found(await holdAgentForCertificate(db, tenant, agent.id), 'agent', 'id');
  checkAgent(held);
  await closeExpired(db, tenant, agent.id, at);
  if (renewed) await supersede(db, tenant, renewed, at);
  const row = await insertCertificate(db, tenant, {
    id: newId(),
    agentId: agent.id,
    issuerId: issuer.id,
    serialNumber: serial.toString('hex').toUpperCase(),
    certificate,
    keyRef: issuer.keyRef,
    keyAlgorithm: pair.algorithm,
    keyHash,
    keyOrigin: pair.origin,
    privateKeySealed: pair.privateKey && deps.sealer.seal(pair.privateKey),
    permittedActions: order.permitted_actions ?? renewed?.permittedActions ?? [],
    issuedAt: at,
    expiresAt,
    replaces: renewed?.id,
  });
  if (!row) throw alreadyCertified();
  await activateCertified(db, tenant, agent.id);
  await recordIssue(db, issue, row);
  return row;
}

function checkAgent(agent: AgentRow & { suspendedBy?: 'hand' | 'certificate' | null }): void {
  if (agent.status === 'retired') throw new Problem('unprocessable', 'The agent is retired, for good.');
  if (agent.status === 'suspended' && agent.suspendedBy !== undefined && agent.suspendedBy !== 'certificate') {
    throw new Problem('unprocessable', 'The agent is suspended: resume it first.');
  }
}

async function keyPairOf({ agent, order, renewed }: Issue): Promise<CertifiedKeyPair> {
  const { csr_pem, key } = order;
  if (csr_pem !== undefined) {
    if (key !== undefined) throw refusedRequest('brings its own key: leave `key` out', 'key');
    const names = [agentUri(agent.id), agent.did, agent.spiffeId].filter((name) => name !== null);
    try {
      return { ...(await readRequest(csr_pem, names)), origin: 'requested' };
    } catch (error) {
      if (error instanceof RequestRefused) throw refusedRequest(error.message);
      throw error;
    }
  }
  // The key of a former request has proved its possession; one that was made here is replaced with its certificate.
  if (renewed?.keyOrigin === 'requested' && key === undefined) {
    const publicKey = new X509Certificate(renewed.certificate).publicKey.export({ type: 'spki', format: 'der' });
    return { publicKey, algorithm: renewed.keyAlgorithm, origin: 'requested' };
  }
  const former = CERTIFIED_KEYS.find((one) => ALGORITHMS[one] === renewed?.keyAlgorithm);
  const kind = key ?? former ?? 'rsa-2048';
  return { ...(await newAgentKey(kind)), algorithm: ALGORITHMS[kind], origin: 'held' };
}

/** JWS algorithms of the kinds: how keys are told everywhere else. */
const ALGORITHMS: Record<CertifiedKey, string> = { 'rsa-2048': 'RS256', 'p-256': 'ES256', ed25519: 'EdDSA' };

const OBJECTIONS = {
  another_agent: 'has a key that another agent is certified for: a key proves one agent',
  compromised: 'has a key that was given up as compromised',
};

interface Making {
  issue: Issue;
  issuer: AuthorityRow;
  pair: CertifiedKeyPair;
  serial: Buffer;
  at: Date;
  expiresAt: Date;
}

async function sign(deps: ApiDeps, db: Db, { issue, issuer, pair, serial, at, expiresAt }: Making): Promise<Buffer> {
  const { tenant, agent, order, renewed } = issue;
  const { publicUrl, arc } = deps.authorities.settings;
  const organization = (await findOrganization(db, tenant.orgId))!.name;
  return signCertificate(
    {
      serial,
      subject: nameOf({ organization, commonName: agent.name, serialNumber: agent.id }),
      publicKey: pair.publicKey,
      notBefore: at,
      notAfter: expiresAt,
      extensions: agentExtensions({
        own: keyIdentifier(pair.publicKey),
        issuer: issuer.keyIdentifier,
        uri: agentUri(agent.id),
        mode: tenant.mode,
        arc,
        places: placesOf(publicUrl, issuer.id),
        actions: order.permitted_actions ?? renewed?.permittedActions ?? [],
        scope: (agent.financialScope as FinancialScope | null) ?? undefined,
      }),
    },
    { name: subjectOf(issuer.certificate), key: await deps.authorities.keyOf(issuer) },
  );
}

/** What is said in certificates stays where it is: an issuer that was followed by another keeps its own addresses. */
function placesOf(publicUrl: string, issuerId: string) {
  return {
    crl: `${publicUrl}/v1/crl?issuer=${issuerId}`,
    issuer: `${publicUrl}/v1/ca?issuer=${issuerId}`,
    ocsp: `${publicUrl}/ocsp`,
  };
}

async function supersede(db: Db, tenant: Tenant, renewed: CertificateRow, at: Date): Promise<void> {
  const code = REVOCATION_REASONS.superseded;
  const done = await revokeCertificateRow(db, tenant, renewed.id, { at, reason: 'renewed', code });
  if (!done) throw new Problem('unprocessable', 'The certificate is not active: certify the agent anew.');
}

async function recordIssue(db: Db, { tenant, actor, agent, renewed }: Issue, row: CertificateRow): Promise<void> {
  const at = row.issuedAt;
  const agentId = agent.id;
  const subject = toTypeId('crt', row.id);
  const data = {
    org_id: toTypeId('org', tenant.orgId),
    certificate_id: row.id,
    agent_id: toTypeId('agt', agentId),
    serial_number: row.serialNumber,
    expires_at: row.expiresAt.toISOString(),
    timestamp: at.toISOString(),
  };
  const { serial_number, expires_at, agent_id } = data;
  const replaces = renewed ? toTypeId('crt', renewed.id) : null;
  await recordFact(db, {
    tenant,
    at,
    type: 'certificate.issued',
    actor,
    subject,
    body: { agent_id, serial_number, expires_at, key_origin: row.keyOrigin, key_ref: row.keyRef, replaces },
    events: [{ type: 'certificate.issued', subject, agentId, data }],
  });
  if (renewed) {
    const ended = { ...renewed, reasonCode: REVOCATION_REASONS.superseded };
    await recordEndOf(db, { tenant, reason: 'renewed', actor, at }, ended, { replaced_by: subject });
  }
}

function alreadyCertified(): Problem {
  return new Problem('certificate_active', 'The agent has an active certificate: renew or revoke that one.');
}

/** @param sentence that begins with what the request does */
function refusedRequest(sentence: string, path = 'csr_pem'): Problem {
  return new Problem('unprocessable', `The signing request ${sentence}.`, { fields: [{ path, message: sentence }] });
}
