package training.lora.trainer.http;

import java.net.InetAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * Proxies as the environment names them: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in small letters too, which count
 * first as with curl.
 *
 * @param https for https urls; null for none
 * @param http for http urls; null for none
 * @param without hosts that are asked directly
 */
record Proxies(@Nullable Proxy https, @Nullable Proxy http, HostList without) {
    /**
     * A proxy.
     *
     * @param user null where it asks for none
     */
    record Proxy(
            String scheme,
            String host,
            int port,
            @Nullable String user,
            @Nullable String password) {}

    static Proxies of(Function<String, @Nullable String> environment) {
        return new Proxies(
                proxy(environment, "HTTPS_PROXY"),
                proxy(environment, "HTTP_PROXY"),
                HostList.parse(value(environment, "NO_PROXY")).withSubdomains());
    }

    private static @Nullable String value(Function<String, @Nullable String> environment, String name) {
        String small = environment.apply(name.toLowerCase(java.util.Locale.ROOT));
        return small != null ? small : environment.apply(name);
    }

    private static @Nullable Proxy proxy(Function<String, @Nullable String> environment, String name) {
        String own = value(environment, name);
        String text = own != null ? own : value(environment, "ALL_PROXY");
        if (text == null || text.isBlank()) {
            return null;
        }
        try {
            URI uri = URI.create(text.contains("://") ? text : "http://" + text);
            String scheme = String.valueOf(uri.getScheme());
            if (uri.getHost() == null || !(scheme.equals("http") || scheme.equals("https"))) {
                throw new IllegalArgumentException(scheme);
            }
            String[] user = uri.getRawUserInfo() == null
                    ? new String[0]
                    : uri.getRawUserInfo().split(":", 2);
            return new Proxy(
                    scheme,
                    uri.getHost(),
                    AddressGuard.port(uri),
                    user.length > 0 ? decoded(user[0]) : null,
                    user.length > 1 ? decoded(user[1]) : null);
        } catch (IllegalArgumentException e) {
            // What it says may hold a password.
            throw new TrainerException(
                    Reason.InvalidConfiguration, name + " must be http://HOST:PORT or https://HOST:PORT", e);
        }
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    /** That of a host; null where it is asked directly. */
    @Nullable Proxy of(String scheme, String host, int port) {
        Proxy proxy = "http".equalsIgnoreCase(scheme) ? http : https;
        return proxy == null || without.has(host, port) || literallyWithout(host) ? null : proxy;
    }

    private boolean literallyWithout(String host) {
        if (!host.matches("[0-9.]+|\\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*]?")) {
            return false;
        }
        try {
            return without.has(InetAddress.getByName(host));
        } catch (UnknownHostException e) {
            return false;
        }
    }
}
