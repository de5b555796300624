import express, { Router } from 'express';
import { z } from 'zod';
import { payloadFromJson, payloadToJson, type AesPayloadCodec } from './payload-codec.ts';

const Body = z.object({
  payloads: z.array(
    z.looseObject({ metadata: z.record(z.string(), z.string()).optional(), data: z.string().optional() }),
  ),
});

/**
 * Codec endpoint for the Temporal UI: decrypts payloads for a person who may see them. It answers the UI's origin only,
 * and hands out plain text: in production, put it behind the access control that guards the UI.
 * @param uiOrigin origin of the Temporal UI, for CORS
 */
export function codecRouter(codec: AesPayloadCodec, uiOrigin: string): Router {
  const router = Router();
  router.use('/temporal/codec', (req, res, next) => {
    res.setHeader('Access-Control-Allow-Origin', uiOrigin);
    res.setHeader('Access-Control-Allow-Headers', 'content-type, x-namespace');
    res.setHeader('Access-Control-Allow-Methods', 'POST, OPTIONS');
    res.setHeader('Vary', 'Origin');
    if (req.method === 'OPTIONS') res.status(204).end();
    else if (req.headers.origin !== undefined && req.headers.origin !== uiOrigin) res.status(403).end();
    else next();
  });
  for (const way of ['encode', 'decode'] as const) {
    router.post(`/temporal/codec/${way}`, express.json({ limit: '4mb' }), async (req, res) => {
      const body = Body.safeParse(req.body);
      if (!body.success) {
        res.status(400).json({ error: z.prettifyError(body.error) });
        return;
      }
      try {
        const payloads = await codec[way](body.data.payloads.map(payloadFromJson));
        res.json({ payloads: payloads.map(payloadToJson) });
      } catch {
        res.status(422).json({ error: 'These payloads cannot be read with the present key.' });
      }
    });
  }
  return router;
}
