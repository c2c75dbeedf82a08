// An OAuth server where a workspace has its own: oidc-provider below /oidc, on a port of its choice.
//
//   node workspace.mjs <folder with node_modules> <seconds that access tokens live>
//
// Whoever comes to log in is ann, and agrees to everything. The client "robot" has a secret; "databricks-cli"
// is public, shows proof keys, and gets refresh tokens that work once.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, seconds] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(createRequire(`${folder}/`).resolve('oidc-provider')));

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const BELOW = '/oidc';
const DOCUMENT = '/.well-known/oauth-authorization-server';

function settings() {
  const life = Number(seconds);
  const day = 24 * 60 * 60;
  return {
    clients: [
      {
        client_id: 'robot',
        client_secret: 'robot-secret',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
      {
        client_id: 'databricks-cli',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['authorization_code', 'refresh_token', DEVICE],
        response_types: ['code'],
        redirect_uris: ['http://localhost:8020'],
      },
    ],
    scopes: ['openid', 'offline_access', 'all-apis'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    routes: {
      authorization: '/v1/authorize',
      token: '/v1/token',
      device_authorization: '/v1/device/authorize',
      code_verification: '/device',
      introspection: '/v1/introspect',
      revocation: '/v1/revoke',
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form) => { ctx.body = form; },
        userCodeConfirmSource: (ctx, form) => { ctx.body = form; },
        successSource: (ctx) => { ctx.body = 'done'; },
      },
    },
    ttl: {
      AccessToken: life, ClientCredentials: life, DeviceCode: 600,
      RefreshToken: day, Grant: day, Session: day, Interaction: 600,
    },
    cookies: { keys: ['for tests'] },
    interactions: { url: (ctx, interaction) => `/agree/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    renderError: (ctx, told) => { ctx.type = 'json'; ctx.body = told; },
  };
}

async function agree(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'ann' } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const grantId = await grant.save();
  return provider.interactionFinished(
    request, response, { consent: { grantId } }, { mergeWithLastSubmission: true },
  );
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(origin + BELOW, settings());
  const serve = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/agree/')) {
      agree(provider, request, response).catch((error) => {
        console.error(error);
        response.writeHead(500).end();
      });
    } else if (request.url.startsWith(`${BELOW}/`)) {
      request.url = request.url.slice(BELOW.length).replace(DOCUMENT, '/.well-known/openid-configuration');
      request.originalUrl = BELOW + request.url; // tells the provider where it is mounted
      serve(request, response);
    } else {
      response.writeHead(404).end();
    }
  });
  console.log(`serves ${origin}`);
});
