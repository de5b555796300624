import { z } from 'zod';

const text = z.string();
const needed = text.min(1);

const Requirement = z.looseObject({ schemes: z.record(text, z.looseObject({ list: z.array(text).optional() })) });

const SCHEMES = [
  'apiKeySecurityScheme',
  'httpAuthSecurityScheme',
  'oauth2SecurityScheme',
  'openIdConnectSecurityScheme',
  'mtlsSecurityScheme',
] as const;

/** A oneof of a2a.proto: exactly one of the members. */
const Scheme = z
  .looseObject(Object.fromEntries(SCHEMES.map((name) => [name, z.looseObject({}).optional()])))
  .refine((scheme) => SCHEMES.filter((name) => scheme[name] !== undefined).length === 1, {
    error: `must have exactly one of ${SCHEMES.join(', ')}`,
  });

/**
 * An A2A 1.0 Agent Card (a2a.proto, message AgentCard). Unknown members are kept: a later minor version may add some.
 * A member that is REQUIRED there must be present; lists that may be empty there may be empty here.
 */
export const AgentCard = z.looseObject({
  name: needed,
  description: text,
  version: needed,
  supportedInterfaces: z
    .array(z.looseObject({ url: z.url(), protocolBinding: needed, protocolVersion: needed, tenant: text.optional() }))
    .min(1),
  capabilities: z.looseObject({
    streaming: z.boolean().optional(),
    pushNotifications: z.boolean().optional(),
    extendedAgentCard: z.boolean().optional(),
    extensions: z
      .array(
        z.looseObject({
          uri: text.optional(),
          description: text.optional(),
          required: z.boolean().optional(),
          params: z.looseObject({}).optional(),
        }),
      )
      .optional(),
  }),
  defaultInputModes: z.array(text),
  defaultOutputModes: z.array(text),
  skills: z.array(
    z.looseObject({
      id: needed,
      name: needed,
      description: text,
      tags: z.array(text),
      examples: z.array(text).optional(),
      inputModes: z.array(text).optional(),
      outputModes: z.array(text).optional(),
      securityRequirements: z.array(Requirement).optional(),
    }),
  ),
  provider: z.looseObject({ url: text, organization: text }).optional(),
  documentationUrl: text.optional(),
  iconUrl: text.optional(),
  securitySchemes: z.record(text, Scheme).optional(),
  securityRequirements: z.array(Requirement).optional(),
  signatures: z
    .array(z.looseObject({ protected: text, signature: text, header: z.looseObject({}).optional() }))
    .optional(),
});
