import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { certifyRoutes } from './certify-routes.ts';
import { ocspRoutes } from './ocsp-routes.ts';
import { publicCertificateRoutes } from './public-routes.ts';
import { certificateReadRoutes } from './read-routes.ts';
import { revokeCertificateRoute } from './revoke-route.ts';

export function certificateRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...publicCertificateRoutes(deps),
    ...ocspRoutes(deps),
    ...certifyRoutes(deps),
    revokeCertificateRoute(deps),
    ...certificateReadRoutes(),
  ];
}
