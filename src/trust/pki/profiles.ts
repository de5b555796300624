import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AccessDescription,
  AuthorityInfoAccessSyntax,
  AuthorityKeyIdentifier,
  BasicConstraints,
  CertificatePolicies,
  CRLDistributionPoints,
  DistributionPoint,
  DistributionPointName,
  ExtendedKeyUsage,
  Extension,
  GeneralName,
  id_ad_caIssuers,
  id_ad_ocsp,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_certificatePolicies,
  id_ce_cRLDistributionPoints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_OCSPSigning,
  id_pe_authorityInfoAccess,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  PolicyInformation,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { agentAuthority, arcOids, type FinancialScope } from './agent-authority.ts';
import { bytes } from './certificate.ts';

const NO_CHECK = '1.3.6.1.5.5.7.48.1.5';
const NULL = Buffer.from([5, 0]);

/** Key identifiers of who is certified, and of who certifies. */
export interface Identifiers {
  own: Buffer;
  issuer: Buffer;
}

/** Where a certificate says that its issuer, its issuer's list and its state are found. */
export interface Places {
  crl: string;
  issuer: string;
  ocsp: string;
}

export function rootExtensions({ own }: Pick<Identifiers, 'own'>): Extension[] {
  return [
    basicConstraints({ cA: true, pathLenConstraint: 1 }),
    keyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
    subjectKey(own),
  ];
}

/** Issues to agents and responders, and to no further authority. @param crl where the list of the root is */
export function issuingExtensions({ own, issuer, crl }: Identifiers & { crl: string }): Extension[] {
  return [
    distributionPoint(crl),
    basicConstraints({ cA: true, pathLenConstraint: 0 }),
    keyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
    subjectKey(own),
    authorityKey(issuer),
  ];
}

/** A delegated responder (RFC 6960 §4.2.2.2). It lives for weeks and says so itself: nobody asks for its own state. */
export function responderExtensions({ own, issuer }: Identifiers): Extension[] {
  return [
    basicConstraints({ cA: false }),
    keyUsage(KeyUsageFlags.digitalSignature),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_OCSPSigning])),
    extension(NO_CHECK, NULL),
    subjectKey(own),
    authorityKey(issuer),
  ];
}

export interface AgentProfile extends Identifiers {
  uri: string;
  mode: 'live' | 'test';
  arc: string;
  places: Places;
  actions: readonly string[];
  scope?: FinancialScope;
}

/** An agent: it authenticates as a client, by signatures, and nothing else. */
export function agentExtensions({ own, issuer, uri, mode, arc, places, actions, scope }: AgentProfile): Extension[] {
  const oids = arcOids(arc);
  return [
    basicConstraints({ cA: false }),
    keyUsage(KeyUsageFlags.digitalSignature),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_clientAuth])),
    subjectKey(own),
    authorityKey(issuer),
    extension(id_ce_subjectAltName, new SubjectAlternativeName([at(uri)])),
    distributionPoint(places.crl),
    extension(
      id_pe_authorityInfoAccess,
      new AuthorityInfoAccessSyntax([
        new AccessDescription({ accessMethod: id_ad_ocsp, accessLocation: at(places.ocsp) }),
        new AccessDescription({ accessMethod: id_ad_caIssuers, accessLocation: at(places.issuer) }),
      ]),
    ),
    extension(
      id_ce_certificatePolicies,
      new CertificatePolicies([new PolicyInformation({ policyIdentifier: oids[mode] })]),
    ),
    extension(oids.agentAuthority, agentAuthority({ actions, scope })),
  ];
}

function distributionPoint(uri: string): Extension {
  const distributionPoint = new DistributionPointName({ fullName: [at(uri)] });
  return extension(
    id_ce_cRLDistributionPoints,
    new CRLDistributionPoints([new DistributionPoint({ distributionPoint })]),
  );
}

function at(uri: string): GeneralName {
  return new GeneralName({ uniformResourceIdentifier: uri });
}

function basicConstraints(value: Partial<BasicConstraints>): Extension {
  return extension(id_ce_basicConstraints, new BasicConstraints(value), true);
}

function keyUsage(flags: number): Extension {
  return extension(id_ce_keyUsage, new KeyUsage(flags), true);
}

function subjectKey(id: Buffer): Extension {
  return extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(bytes(id)));
}

function authorityKey(id: Buffer): Extension {
  const keyIdentifier = new KeyIdentifier(bytes(id));
  return extension(id_ce_authorityKeyIdentifier, new AuthorityKeyIdentifier({ keyIdentifier }));
}

/** @param value DER, or what the library turns into it */
function extension(extnID: string, value: object, critical = false): Extension {
  const der = Buffer.isBuffer(value) ? bytes(value) : AsnConvert.serialize(value);
  return new Extension({ extnID, critical, extnValue: new OctetString(der) });
}
