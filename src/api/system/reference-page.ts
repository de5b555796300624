import { createRequire } from 'node:module';
import { Router } from 'express';

const bundle = createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js');

/** Scripts from here only; styles are injected by the renderer; its search runs in a worker made of a blob. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Prokura API reference</title>
    <style>body { margin: 0; }</style>
  </head>
  <body>
    <redoc spec-url="/openapi.json" hide-loading disable-search="false"></redoc>
    <script src="/docs/redoc.js"></script>
  </body>
</html>
`;

/** The reference page at `/docs`: rendered in the browser, from our own origin alone. */
export function referencePage(): Router {
  const router = Router();
  router.get('/docs', (_req, res) => {
    res.setHeader('Content-Security-Policy', POLICY);
    res.type('html').send(PAGE);
  });
  router.get('/docs/redoc.js', (_req, res) => {
    res.sendFile(bundle, { maxAge: '1h', headers: { 'Content-Type': 'text/javascript; charset=utf-8' } });
  });
  return router;
}
