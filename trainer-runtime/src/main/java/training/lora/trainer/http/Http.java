package training.lora.trainer.http;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.classic.methods.HttpPut;
import org.apache.hc.client5.http.classic.methods.HttpUriRequestBase;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.util.Timeout;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks for urls, and follows where they lead: by hand, since each hop is a url that somebody else chose. Credentials go to
 * the origin that was named, and to no other. Every connection goes to an address that the guard has looked at.
 */
public final class Http implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Http.class);

    private static final int MOST_HOPS = 10;

    private static final Timeout CONNECT = Timeout.ofSeconds(20);

    private static final Timeout READ = Timeout.ofSeconds(60);

    private static final long STOP_MILLIS = 200;

    private static final int CONNECTIONS = 16;

    private final AddressGuard guard;
    private final Proxies proxies;
    private final CloseableHttpClient client;
    private final BooleanSupplier stopping;
    private final Set<HttpUriRequestBase> running = ConcurrentHashMap.newKeySet();
    private boolean watched;

    /**
     * @param environment names proxies and authorities
     * @param stopping once it is true, what is being read is cut off
     */
    public Http(Function<String, @Nullable String> environment, AddressGuard guard, BooleanSupplier stopping) {
        Transport transport = new Transport(environment, guard);
        this.guard = guard;
        this.proxies = transport.proxies();
        this.stopping = stopping;
        this.client = HttpClients.custom()
                .setConnectionManager(PoolingHttpClientConnectionManagerBuilder.create()
                        .setDnsResolver(transport.addresses())
                        .setTlsSocketStrategy(transport.tls())
                        .setDefaultConnectionConfig(ConnectionConfig.custom()
                                .setConnectTimeout(CONNECT)
                                .setSocketTimeout(READ)
                                .build())
                        .setMaxConnPerRoute(CONNECTIONS)
                        .setMaxConnTotal(2 * CONNECTIONS)
                        .build())
                .setRoutePlanner(transport.routes())
                .setDefaultCredentialsProvider(transport.credentials())
                .setDefaultRequestConfig(
                        RequestConfig.custom().setResponseTimeout(READ).build())
                .setUserAgent("lora-trainer/0.1.0")
                .disableRedirectHandling()
                .disableAutomaticRetries()
                .disableContentCompression()
                .disableCookieManagement()
                .build();
    }

    /** An answer, whose body is read while it is open. */
    public static final class Answer implements Closeable {
        private final ClassicHttpResponse response;
        private final URI url;
        private final Runnable closed;

        private Answer(ClassicHttpResponse response, URI url, Runnable closed) {
            this.response = response;
            this.url = url;
            this.closed = closed;
        }

        public int status() {
            return response.getCode();
        }

        /** Status and reason, as in "404 Not Found". */
        public String statusLine() {
            String phrase = response.getReasonPhrase();
            return phrase == null || phrase.isBlank() ? "" + status() : status() + " " + phrase;
        }

        /** The first header of a name; null if there is none. */
        public @Nullable String header(String name) {
            Header header = response.getFirstHeader(name);
            return header == null ? null : header.getValue();
        }

        /** Where it came from at last. */
        public URI url() {
            return url;
        }

        /** The body; empty where there is none. */
        public InputStream body() throws IOException {
            HttpEntity entity = response.getEntity();
            return entity == null ? InputStream.nullInputStream() : entity.getContent();
        }

        /** Ends the connection where the body was not read to its end. */
        @Override
        public void close() {
            closed.run();
            try {
                response.close();
            } catch (IOException e) {
                LOG.debug("{} could not be closed", url.getHost(), e);
            }
        }
    }

    /**
     * The answer to a GET of {@code url}, redirects followed.
     *
     * @param authorization for the origin of {@code url}; null for none
     * @throws RefusedAddressException if it leads where it must not
     * @throws RedirectException if it leads nowhere
     */
    public Answer get(URI url, Map<String, String> headers, @Nullable String authorization) throws IOException {
        URI now = url;
        Set<URI> seen = new HashSet<>();
        for (int hop = 0; hop <= MOST_HOPS; hop++) {
            if (!seen.add(now)) {
                throw new RedirectException("must lead to a file, but leads in a circle by " + now.getHost());
            }
            Answer answer = one(now, headers, sameOrigin(url, now) ? authorization : null);
            String location = answer.header("Location");
            if (!isRedirect(answer.status()) || location == null) {
                return answer;
            }
            answer.close();
            now = next(now, location);
        }
        throw new RedirectException("must lead to a file, but is redirected more than %d times".formatted(MOST_HOPS));
    }

    /**
     * The answer to a POST of JSON to {@code url}; where it would be redirected, that is the answer.
     *
     * @param authorization null for none
     * @param patience how long the server may be silent
     * @throws RefusedAddressException if it is where nothing may be asked
     */
    public Answer post(URI url, byte[] json, @Nullable String authorization, Duration patience) throws IOException {
        return body(
                url,
                new HttpPost(url),
                new ByteArrayEntity(json, ContentType.APPLICATION_JSON),
                authorization,
                patience);
    }

    /** The answer to a PUT of bytes to {@code url}, as that to a POST. */
    public Answer put(URI url, byte[] bytes, @Nullable String authorization, Duration patience) throws IOException {
        return body(
                url,
                new HttpPut(url),
                new ByteArrayEntity(bytes, ContentType.APPLICATION_OCTET_STREAM),
                authorization,
                patience);
    }

    /** The same with other headers, for a place that lets in whoever knows its url. */
    public Answer put(URI url, byte[] bytes, Map<String, String> headers, Duration patience) throws IOException {
        HttpPut request = new HttpPut(url);
        headers.forEach(request::setHeader);
        return body(url, request, new ByteArrayEntity(bytes, ContentType.APPLICATION_OCTET_STREAM), null, patience);
    }

    private Answer body(
            URI url, HttpUriRequestBase request, HttpEntity body, @Nullable String authorization, Duration patience)
            throws IOException {
        request.setEntity(body);
        request.setConfig(RequestConfig.custom()
                .setResponseTimeout(Timeout.ofMilliseconds(patience.toMillis()))
                .build());
        return send(url, request, authorization);
    }

    private static boolean isRedirect(int status) {
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    }

    private static URI next(URI from, String location) throws RedirectException {
        URI to;
        try {
            to = Urls.of(Urls.resolved(from, location));
        } catch (IllegalArgumentException e) {
            throw new RedirectException("must lead to a file, but %s redirects to no url".formatted(from.getHost()));
        }
        String scheme = String.valueOf(to.getScheme()).toLowerCase(Locale.ROOT);
        if (!scheme.equals("https") && !scheme.equals("http") || to.getHost() == null) {
            throw new RedirectException(
                    "must lead to a file by https, but %s redirects to %s".formatted(from.getHost(), scheme));
        }
        if ("https".equalsIgnoreCase(from.getScheme()) && scheme.equals("http")) {
            throw new RedirectException("must lead to a file by https, but %s redirects to http://%s"
                    .formatted(from.getHost(), to.getHost()));
        }
        return to;
    }

    private static boolean sameOrigin(URI one, URI other) {
        return String.valueOf(one.getScheme()).equalsIgnoreCase(other.getScheme())
                && String.valueOf(one.getHost()).equalsIgnoreCase(other.getHost())
                && AddressGuard.port(one) == AddressGuard.port(other);
    }

    private Answer one(URI url, Map<String, String> headers, @Nullable String authorization) throws IOException {
        HttpGet request = new HttpGet(url);
        headers.forEach(request::setHeader);
        return send(url, request, authorization);
    }

    private Answer send(URI url, HttpUriRequestBase request, @Nullable String authorization) throws IOException {
        guard.requireAllowed(url);
        requireOpenBehindProxy(url);
        request.setHeader("Accept-Encoding", "identity");
        if (authorization != null) {
            request.setHeader("Authorization", authorization);
        }
        watch();
        running.add(request);
        try {
            // Its proxy's name counts as another's: the guard allows it where the environment names it.
            ClassicHttpResponse response =
                    client.executeOpen(new HttpHost(url.getScheme(), url.getHost(), url.getPort()), request, null);
            return new Answer(response, url, () -> running.remove(request));
        } catch (IOException | RuntimeException e) {
            running.remove(request);
            throw e;
        }
    }

    /** A proxy resolves names itself. What this machine knows of them is all that can be looked at. */
    private void requireOpenBehindProxy(URI url) throws IOException {
        int port = AddressGuard.port(url);
        if (!guard.guarded() || proxies.of(url.getScheme(), url.getHost(), port) == null) {
            return;
        }
        try {
            guard.resolve(url.getHost(), port);
        } catch (RefusedAddressException e) {
            throw e;
        } catch (UnknownHostException e) {
            // Many machines behind a proxy know no names outside.
            return;
        }
    }

    /** Reads wait for a server that may be silent; whoever asks the process to stop must not. */
    private synchronized void watch() {
        if (watched) {
            return;
        }
        watched = true;
        Thread thread = new Thread(
                () -> {
                    while (!stopping.getAsBoolean()) {
                        try {
                            TimeUnit.MILLISECONDS.sleep(STOP_MILLIS);
                        } catch (InterruptedException e) {
                            return;
                        }
                    }
                    running.forEach(HttpUriRequestBase::cancel);
                },
                "stop-http");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        client.close();
    }
}
