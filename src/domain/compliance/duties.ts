/** A duty of a law that a part of a report can be evidence for. */
export interface Duty {
  law: 'EU AI Act' | 'MiCA' | 'DORA';
  article: string;
  about: string;
}

/** The texts that the articles are those of. */
export const LAWS: Readonly<Record<Duty['law'], string>> = {
  'EU AI Act': 'Regulation (EU) 2024/1689',
  MiCA: 'Regulation (EU) 2023/1114',
  DORA: 'Regulation (EU) 2022/2554',
};

export const NOTICE =
  'This report is evidence: an extract of what this installation has recorded, with proof that the records were not ' +
  'changed since they were sealed. It is not legal advice and does not say that a duty is met. Whether a law applies, ' +
  'and whether the evidence suffices, is for the organization and its advisers to judge.';

export const SECTIONS = [
  'identity',
  'certificates',
  'delegations',
  'decisions',
  'events',
  'overrides',
  'audit',
] as const;
export type SectionName = (typeof SECTIONS)[number];

const aiAct = (article: string, about: string): Duty => ({ law: 'EU AI Act', article, about });
const mica = (article: string, about: string): Duty => ({ law: 'MiCA', article, about });
const dora = (article: string, about: string): Duty => ({ law: 'DORA', article, about });

/** What each part is evidence for. Whether the organization is under these duties is not said. */
export const DUTIES: Readonly<Record<SectionName, { title: string; serves: readonly Duty[] }>> = {
  identity: {
    title: 'Agents and who answers for them',
    serves: [
      aiAct('Art. 26(2)', 'human oversight is assigned to natural persons'),
      mica('Art. 68', 'governance with well-defined, transparent and consistent lines of responsibility'),
      dora('Art. 9(4)(c)', 'access is limited to what legitimate and approved functions require'),
    ],
  },
  certificates: {
    title: 'Certificates',
    serves: [dora('Art. 9(4)(d)', 'strong authentication, and protection of cryptographic keys')],
  },
  delegations: {
    title: 'Delegations',
    serves: [
      aiAct('Art. 14(4)', 'limits within which the system acts, and by which it can be overseen'),
      dora('Art. 9(4)(c)', 'access is limited to what legitimate and approved functions require'),
    ],
  },
  decisions: {
    title: 'Decisions',
    serves: [
      aiAct('Art. 12(1)', 'events are recorded automatically over the lifetime of the system'),
      aiAct('Art. 26(6)', 'deployers keep the logs for at least six months'),
      mica('Art. 68(9)', 'records of services, activities, orders and transactions'),
    ],
  },
  events: {
    title: 'Behaviour of agents',
    serves: [
      aiAct('Art. 12(2)', 'events by which situations of risk are identified'),
      aiAct('Art. 26(5)', 'deployers monitor the operation of the system'),
      dora('Art. 10(1)', 'anomalous activities are detected promptly'),
    ],
  },
  overrides: {
    title: 'Overrides and interventions',
    serves: [
      aiAct('Art. 14(4)(d)', 'a person can disregard, override or reverse what the system put out'),
      aiAct('Art. 14(4)(e)', 'a person can intervene, or stop the system'),
      dora('Art. 17', 'incidents are detected, managed and recorded'),
    ],
  },
  audit: {
    title: 'Proof of the records',
    serves: [
      aiAct('Art. 19(1)', 'providers keep the logs that are generated automatically'),
      aiAct('Art. 12(1)', 'events are recorded automatically over the lifetime of the system'),
      mica('Art. 68(9)', 'records of services, activities, orders and transactions'),
    ],
  },
};
