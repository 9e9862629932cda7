// Behind a NAT that forgets quickly, as the cheap ones do.
import { namespaceTest } from '../support/netns.js';
import type { Namespace, Network } from '../support/netns.js';
import { pause, waitFor } from '../support/netnsProcess.js';
import { INNER, PORT_OF_B, endpoint } from '../support/netnsTopology.js';
import { ping, startTransfer, waitForPing } from '../support/netnsTraffic.js';
import { SUBJECT, Tunnel } from '../support/netnsTunnel.js';

const ROUTER_OUTSIDE = '192.0.2.50';
const ROUTER_MOVED = '192.0.2.51';
const SERVER = '192.0.2.2';
const MAPPING_LIFE_S = 2;

interface Natted {
  readonly clients: readonly Namespace[];
  readonly router: Namespace;
  readonly server: Namespace;
}

/** Clients on 10.0.<n>.0/24 behind one masquerading router; the server sees only its address. */
async function nattedNetwork(net: Network, clientCount = 1): Promise<Natted> {
  const router = await net.namespace('router');
  const server = await net.namespace('server');
  const clients: Namespace[] = [];
  await net.link(
    { namespace: router, device: 'outside', addresses: [`${ROUTER_OUTSIDE}/24`] },
    { namespace: server, device: 'wire0', addresses: [`${SERVER}/24`] },
  );
  for (let i = 0; i < clientCount; i++) {
    const client = await net.namespace(`client${i}`);
    await net.link(
      { namespace: router, device: `inside${i}`, addresses: [`10.0.${i}.1/24`] },
      { namespace: client, device: 'wire0', addresses: [`10.0.${i}.2/24`] },
    );
    await client.run('ip', 'route', 'add', 'default', 'via', `10.0.${i}.1`);
    clients.push(client);
  }
  await router.sysctl('net.ipv4.ip_forward', 1);
  await router.nft(`table inet nat {
    chain out {
      type nat hook postrouting priority srcnat;
      oifname "outside" masquerade
    }
    chain forward {
      type filter hook forward priority 0; policy drop;
      iifname "inside*" accept
      ct state established,related accept
    }
  }`);
  await router.sysctl('net.netfilter.nf_conntrack_udp_timeout', MAPPING_LIFE_S);
  await router.sysctl('net.netfilter.nf_conntrack_udp_timeout_stream', MAPPING_LIFE_S);
  return { clients, router, server };
}

const innerOfClient = (index: number): string => `10.99.0.${10 + index}`;

async function serverTunnel(net: Network, namespace: Namespace): Promise<Tunnel> {
  const tunnel = await Tunnel.start(net, { implementation: SUBJECT, namespace });
  await tunnel.setConfig({ privateKey: tunnel.keys.privateKey, listenPort: PORT_OF_B, peers: [] });
  await tunnel.up([`${INNER.b[4]}/24`], 1420);
  return tunnel;
}

async function clientTunnel(
  net: Network,
  {
    clients,
    index,
    server,
    keepaliveS,
  }: {
    clients: readonly Namespace[];
    index: number;
    server: Tunnel;
    keepaliveS: number;
  },
): Promise<Tunnel> {
  const tunnel = await Tunnel.start(net, {
    implementation: SUBJECT,
    namespace: clients[index]!,
  });
  await tunnel.setConfig({
    privateKey: tunnel.keys.privateKey,
    listenPort: 40_000,
    peers: [
      {
        publicKey: server.keys.publicKey,
        endpoint: endpoint(SERVER, PORT_OF_B),
        allowedIps: ['10.99.0.0/24'],
        persistentKeepaliveS: keepaliveS,
      },
    ],
  });
  await server.set('peer', tunnel.keys.publicKey, 'allowed-ips', `${innerOfClient(index)}/32`);
  await tunnel.up([`${innerOfClient(index)}/24`], 1420);
  return tunnel;
}

namespaceTest(
  'a client behind a NAT is reached from outside as long as keepalives hold the mapping',
  async (t, net) => {
    const { clients, server } = await nattedNetwork(net);
    const far = await serverTunnel(net, server);
    const near = await clientTunnel(net, { clients, index: 0, server: far, keepaliveS: 1 });
    await waitForPing(server, innerOfClient(0));
    t.true((await far.peer(near.keys.publicKey)).endpoint?.startsWith(`${ROUTER_OUTSIDE}:`));
    await pause(MAPPING_LIFE_S * 3_000);
    t.is((await ping(server, innerOfClient(0))).received, 3, 'after three lives of a mapping');

    // The same without keepalives shows that the mapping really ends.
    await near.set('peer', far.keys.publicKey, 'persistent-keepalive', '0');
    await pause(MAPPING_LIFE_S * 3_000);
    t.is((await ping(server, innerOfClient(0), { count: 2, waitMs: 300 })).received, 0);
    await near.set('peer', far.keys.publicKey, 'persistent-keepalive', '1');
    await waitForPing(server, innerOfClient(0));
  },
);

namespaceTest(
  'when the NAT gives another address and port, the far end follows',
  async (t, net) => {
    const { clients, router, server } = await nattedNetwork(net);
    const far = await serverTunnel(net, server);
    const near = await clientTunnel(net, { clients, index: 0, server: far, keepaliveS: 1 });
    await waitForPing(server, innerOfClient(0));
    const to = { namespace: server, address: INNER.b[4] };
    const running = await startTransfer(clients[0]!, to, {
      bytes: 4 * 1024 * 1024,
      bytesPerS: 1024 * 1024,
      timeoutMs: 60_000,
    });
    await pause(1_000);
    // Masquerading forgets its mappings when the address goes, as after a redial.
    await router.addAddress('outside', `${ROUTER_MOVED}/24`);
    await router.run('ip', 'address', 'del', `${ROUTER_OUTSIDE}/24`, 'dev', 'outside');
    await running.done;
    t.true((await far.peer(near.keys.publicKey)).endpoint?.startsWith(`${ROUTER_MOVED}:`));
    t.is((await ping(server, innerOfClient(0))).received, 3);
  },
);

namespaceTest('two clients with the same port behind one NAT are kept apart', async (t, net) => {
  const { clients, server } = await nattedNetwork(net, 2);
  const far = await serverTunnel(net, server);
  const near = await Promise.all(
    [0, 1].map((index) => clientTunnel(net, { clients, index, server: far, keepaliveS: 1 })),
  );
  await Promise.all([0, 1].map((index) => waitForPing(server, innerOfClient(index))));
  const endpoints = await Promise.all(
    near.map(async ({ keys }) => (await far.peer(keys.publicKey)).endpoint),
  );
  t.true(endpoints.every((one) => one?.startsWith(`${ROUTER_OUTSIDE}:`)));
  t.not(endpoints[0], endpoints[1]);
  // Through the server, from one client to the other.
  await server.sysctl('net.ipv4.ip_forward', 1);
  t.is((await ping(clients[0]!, innerOfClient(1))).received, 3);
});

namespaceTest(
  'a client that moves behind a NAT and out again is followed both times',
  async (t, net) => {
    const { clients, router, server } = await nattedNetwork(net);
    const far = await serverTunnel(net, server);
    const near = await clientTunnel(net, { clients, index: 0, server: far, keepaliveS: 1 });
    const endpointNow = async (): Promise<string | null> =>
      (await far.peer(near.keys.publicKey)).endpoint;
    await waitForPing(server, innerOfClient(0));
    const natted = await endpointNow();
    await router.nft('delete table inet nat');
    await server.run('ip', 'route', 'add', '10.0.0.0/24', 'via', ROUTER_OUTSIDE);
    await waitFor(
      'its own address is seen',
      async () => (await endpointNow()) === '10.0.0.2:40000',
    );
    await waitForPing(server, innerOfClient(0));
    await router.nft(`table inet nat {
    chain out {
      type nat hook postrouting priority srcnat;
      oifname "outside" masquerade
    }
  }`);
    await waitFor('the address of the router is seen again', async () => {
      return (await endpointNow())?.startsWith(ROUTER_OUTSIDE);
    });
    t.true(natted?.startsWith(ROUTER_OUTSIDE));
    t.is((await ping(server, innerOfClient(0))).received, 3);
  },
);
