package training.lora.operator;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/** The base URL at which pods reach the operator. Tokens travel to it, so it is encrypted, or stays on the machine. */
public final class OperatorUrl {
    private static final Set<String> LOOPBACK = Set.of("127.0.0.1", "[::1]", "localhost");

    private OperatorUrl() {}

    /**
     * The URL without a slash at its end; empty: pods push no progress.
     *
     * @throws IllegalArgumentException if it is none, or tokens would travel in plain text
     */
    public static Optional<String> of(OperatorConfig config) {
        return config.operator().url().map(OperatorUrl::checked);
    }

    static String checked(String text) {
        URI url;
        try {
            url = URI.create(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("`lora.operator.url` must be a URL, was \"%s\"".formatted(text), e);
        }
        String scheme = url.getScheme() == null ? "" : url.getScheme().toLowerCase(Locale.ROOT);
        String host = url.getHost();
        boolean safe = scheme.equals("https") || (scheme.equals("http") && LOOPBACK.contains(host));
        if (host == null || !safe) {
            throw new IllegalArgumentException(
                    "`lora.operator.url` must begin with https:// unless its host is 127.0.0.1, since pods send their tokens there, was \"%s\""
                            .formatted(text));
        }
        return text.replaceFirst("/+$", "");
    }

    /**
     * The names that a certificate of the operator has to have.
     *
     * @throws IllegalArgumentException if there is no URL
     */
    public static List<String> hosts(OperatorConfig config) {
        String url = of(config)
                .orElseThrow(
                        () -> new IllegalArgumentException("`lora.operator.url` must be set where lora.tls.secret is"));
        String host = URI.create(url).getHost();
        List<String> hosts = new ArrayList<>(List.of(host));
        if (host.endsWith(".svc")) {
            hosts.add(host + ".cluster.local");
        }
        return hosts;
    }
}
