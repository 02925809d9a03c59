package training.lora.trainer.http;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.function.Function;
import org.apache.hc.client5.http.DnsResolver;
import org.apache.hc.client5.http.auth.AuthScope;
import org.apache.hc.client5.http.auth.CredentialsProvider;
import org.apache.hc.client5.http.auth.UsernamePasswordCredentials;
import org.apache.hc.client5.http.impl.auth.BasicCredentialsProvider;
import org.apache.hc.client5.http.impl.routing.DefaultRoutePlanner;
import org.apache.hc.client5.http.routing.HttpRoutePlanner;
import org.apache.hc.client5.http.ssl.ClientTlsStrategyBuilder;
import org.apache.hc.client5.http.ssl.HostnameVerificationPolicy;
import org.apache.hc.client5.http.ssl.TlsSocketStrategy;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.protocol.HttpContext;
import org.jspecify.annotations.Nullable;

/** How clients of HTTP connect: to addresses that the guard has looked at, through the environment's proxies. */
public final class Transport {
    private final AddressGuard guard;
    private final Proxies proxies;
    private final Function<String, @Nullable String> environment;

    /** @param environment names proxies and authorities */
    public Transport(Function<String, @Nullable String> environment, AddressGuard guard) {
        this.guard = guard;
        this.proxies = Proxies.of(environment);
        this.environment = environment;
    }

    Proxies proxies() {
        return proxies;
    }

    /** Resolves what is connected to: once, by the guard. */
    public DnsResolver addresses() {
        return new DnsResolver() {
            @Override
            public InetAddress[] resolve(String host) throws UnknownHostException {
                throw new UnknownHostException(host);
            }

            @Override
            public List<InetSocketAddress> resolve(String host, int port) throws UnknownHostException {
                return guard.resolve(host, port).stream()
                        .map(address -> new InetSocketAddress(address, port))
                        .toList();
            }

            @Override
            public String resolveCanonicalHostname(String host) {
                return host;
            }
        };
    }

    /** Whom to trust. */
    public TlsSocketStrategy tls() {
        return ClientTlsStrategyBuilder.create()
                .setSslContext(TrustedAuthorities.context(environment))
                .setHostVerificationPolicy(HostnameVerificationPolicy.BUILTIN)
                .buildClassic();
    }

    /** Which proxy is asked. */
    public HttpRoutePlanner routes() {
        return new DefaultRoutePlanner(null) {
            @Override
            protected @Nullable HttpHost determineProxy(HttpHost target, HttpContext context) {
                Proxies.Proxy proxy = proxies.of(target.getSchemeName(), target.getHostName(), target.getPort());
                return proxy == null ? null : new HttpHost(proxy.scheme(), proxy.host(), proxy.port());
            }
        };
    }

    /** Those of the proxies. */
    public CredentialsProvider credentials() {
        BasicCredentialsProvider credentials = new BasicCredentialsProvider();
        for (Proxies.@Nullable Proxy proxy : new Proxies.@Nullable Proxy[] {proxies.https(), proxies.http()}) {
            if (proxy != null && proxy.user() != null) {
                String password = proxy.password() == null ? "" : proxy.password();
                credentials.setCredentials(
                        new AuthScope(proxy.host(), proxy.port()),
                        new UsernamePasswordCredentials(proxy.user(), password.toCharArray()));
            }
        }
        return credentials;
    }
}
