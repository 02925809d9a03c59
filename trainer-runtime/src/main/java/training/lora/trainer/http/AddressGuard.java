package training.lora.trainer.http;

import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a pod from what a maker's uri must not reach: the cluster's and its nodes' own addresses, the cloud's metadata. It
 * resolves names itself, and what it returns is what must be connected to: a second resolution could tell another address.
 * Outside a pod everything is open, since who writes the uri is who runs the process.
 */
public final class AddressGuard {
    /** Addresses of no public host, and of clouds' own services (Azure's 168.63.129.16 among them). */
    private static final List<AddressRange> CLOSED = AddressRange.all(
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8");

    /** IPv6 addresses that hold one of IPv4: where it begins. */
    private static final AddressRange NAT64 = AddressRange.of("64:ff9b::/96");

    private static final AddressRange SIX_TO_FOUR = AddressRange.of("2002::/16");

    private final boolean guarded;
    private final HostList allowed;
    private final Resolver resolver;

    /** Finds a host's addresses. */
    interface Resolver {
        InetAddress[] resolve(String host) throws UnknownHostException;
    }

    AddressGuard(boolean guarded, HostList allowed, Resolver resolver) {
        this.guarded = guarded;
        this.allowed = allowed;
        this.resolver = resolver;
    }

    /**
     * By LORA_SOURCES_ALLOW, and what the platform itself sets: mirrors, endpoints and proxies. In a pod, which is where
     * LORA_PVC_ROOT is set, all else that is private is closed.
     */
    public static AddressGuard of(Function<String, @Nullable String> environment) {
        HostList allowed = HostList.parse(environment.apply("LORA_SOURCES_ALLOW"));
        for (String variable : List.of(
                "HF_ENDPOINT",
                "AWS_ENDPOINT_URL",
                "AWS_ENDPOINT_URL_S3",
                "HTTPS_PROXY",
                "https_proxy",
                "HTTP_PROXY",
                "http_proxy",
                "ALL_PROXY",
                "all_proxy")) {
            String url = environment.apply(variable);
            if (url != null) {
                allowed = allowed.with(url);
            }
        }
        return new AddressGuard(environment.apply("LORA_PVC_ROOT") != null, allowed, InetAddress::getAllByName);
    }

    /** Closes nothing: for what the platform chose itself. */
    public static AddressGuard open() {
        return new AddressGuard(false, HostList.parse(null), InetAddress::getAllByName);
    }

    /** Whether anything is closed. */
    public boolean guarded() {
        return guarded;
    }

    /**
     * Sees to it that a url may be asked for at all: what is not encrypted only where its host is allowed.
     *
     * @throws RefusedAddressException if not
     */
    public void requireAllowed(URI url) throws RefusedAddressException {
        if (guarded && "http".equalsIgnoreCase(url.getScheme()) && !named(String.valueOf(url.getHost()), port(url))) {
            throw new RefusedAddressException(
                    "must be https://, or its host be one that the platform allows (LORA_SOURCES_ALLOW), but leads to http://"
                            + url.getHost());
        }
    }

    /** Whether the platform allows a host, by its name or by ranges that it is in. */
    private boolean named(String host, int port) {
        try {
            return allowed.has(host, port)
                    || Arrays.stream(resolver.resolve(host)).allMatch(allowed::has);
        } catch (UnknownHostException e) {
            return false;
        }
    }

    /** The port of a url, its scheme's where it names none. */
    public static int port(URI url) {
        return url.getPort() >= 0 ? url.getPort() : "http".equalsIgnoreCase(url.getScheme()) ? 80 : 443;
    }

    /**
     * The addresses of a host, all of which may be connected to.
     *
     * @throws RefusedAddressException if one of them may not
     */
    public List<InetAddress> resolve(String host, int port) throws UnknownHostException {
        List<InetAddress> addresses = Arrays.asList(resolver.resolve(host));
        if (guarded && !allowed.has(host, port)) {
            List<InetAddress> closed = new ArrayList<>(addresses);
            closed.removeIf(address -> open(address));
            if (!closed.isEmpty()) {
                throw new RefusedAddressException(
                        "must not lead to a private address, but %s is %s; the platform can allow it (LORA_SOURCES_ALLOW)"
                                .formatted(host, closed.get(0).getHostAddress()));
            }
        }
        return addresses;
    }

    private boolean open(InetAddress address) {
        return allowed.has(address) || CLOSED.stream().noneMatch(range -> range.has(address)) && openInside(address);
    }

    /** Whether the address of IPv4 in one of IPv6 is open, if there is one. */
    private static boolean openInside(InetAddress address) {
        if (address instanceof Inet4Address) {
            return true;
        }
        byte[] bytes = ((Inet6Address) address).getAddress();
        int at = NAT64.has(address) ? 12 : SIX_TO_FOUR.has(address) ? 2 : -1;
        if (at < 0) {
            return true;
        }
        try {
            InetAddress inside = InetAddress.getByAddress(Arrays.copyOfRange(bytes, at, at + 4));
            return CLOSED.stream().noneMatch(range -> range.has(inside));
        } catch (UnknownHostException e) {
            throw new IllegalStateException(e);
        }
    }
}
