package training.lora.trainer.source;

import java.io.FilterInputStream;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.UnknownHostException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertificateException;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.Http;
import training.lora.trainer.http.RedirectException;
import training.lora.trainer.http.RefusedAddressException;
import training.lora.trainer.http.RetryAfter;

/**
 * A file behind a url, from any byte on. Each request begins at the url that was named: where it leads is often good for
 * minutes only.
 *
 * @param authorization for the origin of {@code url} alone; null for none
 * @param refusal says what an answer without content comes from
 */
record HttpFile(
        Source source,
        Http http,
        URI url,
        @Nullable String authorization,
        Function<Http.Answer, TrainerException> refusal) {
    /** Statuses that may be another at the next try, those of well-known gateways too. */
    private static final Set<Integer> TRANSIENT =
            Set.of(408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524, 530);

    private static final Pattern RANGE = Pattern.compile("bytes (?:(\\d+)-\\d+|\\*)/(\\d+|\\*)");

    private static final int OK = 200;
    private static final int PARTIAL = 206;
    private static final int PRECONDITION = 412;
    private static final int UNSATISFIABLE = 416;

    /** The answer for the first byte, which says what all of it is. */
    Http.Answer first() throws IOException {
        return get(Map.of("Range", "bytes=0-0"));
    }

    /** Bytes of the whole file; null where an answer doesn't say. */
    static @Nullable Long size(Http.Answer answer) {
        Matcher range = RANGE.matcher(String.valueOf(answer.header("Content-Range")));
        if (range.matches()) {
            return range.group(2).equals("*") ? null : Long.valueOf(range.group(2));
        }
        String length = answer.header("Content-Length");
        return answer.status() == OK && length != null && length.matches("\\d{1,18}") ? Long.valueOf(length) : null;
    }

    /**
     * Opens its bytes.
     *
     * @param validator the ETag or date that the bytes before the offset had; null where nothing tells it from another
     */
    RemoteFile.Opened open(long offset, @Nullable String validator) throws IOException {
        Map<String, String> headers = new HashMap<>();
        headers.put("Range", "bytes=" + offset + "-");
        if (offset > 0 && validator != null) {
            headers.put("If-Range", validator);
        }
        Http.Answer answer = get(headers);
        if (answer.status() == UNSATISFIABLE || answer.status() == PRECONDITION) {
            // The file is another or shorter by now.
            answer.close();
            answer = get(Map.of());
            if (answer.status() != OK && answer.status() != PARTIAL) {
                answer.close();
                throw refusal.apply(answer);
            }
        }
        Http.Answer open = answer;
        long begin = begin(answer, offset);
        if (begin != 0 && begin != offset) {
            open.close();
            throw new TransientException("answered with bytes from %d on, not %d".formatted(begin, offset), null, null);
        }
        Long size = size(answer);
        String etag = answer.header("ETag");
        return new RemoteFile.Opened(
                new FilterInputStream(answer.body()) {
                    @Override
                    public void close() throws IOException {
                        open.close();
                    }
                },
                begin,
                size == null ? -1 : size,
                etag != null && !etag.startsWith("W/") ? etag : answer.header("Last-Modified"));
    }

    private static long begin(Http.Answer answer, long offset) {
        if (answer.status() != PARTIAL) {
            return 0;
        }
        Matcher range = RANGE.matcher(String.valueOf(answer.header("Content-Range")));
        return range.matches() && range.group(1) != null ? Long.parseLong(range.group(1)) : offset;
    }

    /** An answer with content, or one that says that there is none at such an offset. */
    private Http.Answer get(Map<String, String> headers) throws IOException {
        Http.Answer answer = ask(source, http, url, headers, authorization);
        int status = answer.status();
        if (status == OK || status == PARTIAL || status == UNSATISFIABLE || status == PRECONDITION) {
            return answer;
        }
        answer.close();
        throw refusal.apply(answer);
    }

    /** Asks, and says of what fails whether a later try may help. */
    static Http.Answer ask(
            Source source, Http http, URI url, Map<String, String> headers, @Nullable String authorization)
            throws IOException {
        Http.Answer answer;
        try {
            answer = http.get(url, headers, authorization);
        } catch (RefusedAddressException | RedirectException e) {
            throw source.failure(Reason.InvalidConfiguration, String.valueOf(e.getMessage()), e);
        } catch (UnknownHostException e) {
            throw new TransientException("no address is known of " + e.getMessage(), null, e);
        } catch (ConnectException e) {
            throw new TransientException("%s accepts no connection".formatted(url.getHost()), null, e);
        } catch (SSLException e) {
            if (untrusted(e)) {
                throw source.failure(
                        Reason.InvalidConfiguration,
                        "must be at a server whose certificate is trusted (LORA_CA_BUNDLE adds authorities), but: "
                                + e.getMessage(),
                        e);
            }
            throw new TransientException("%s broke off its TLS: %s".formatted(url.getHost(), e.getMessage()), null, e);
        } catch (IOException e) {
            throw new TransientException("%s could not be asked: %s".formatted(url.getHost(), e), null, e);
        }
        if (TRANSIENT.contains(answer.status())) {
            answer.close();
            throw new TransientException(
                    "%s answered %s".formatted(answer.url().getHost(), answer.statusLine()),
                    RetryAfter.of(answer.header("Retry-After"), Instant.now()),
                    null);
        }
        return answer;
    }

    private static boolean untrusted(Throwable failure) {
        for (Throwable t = failure; t != null; t = t.getCause()) {
            if (t instanceof CertificateException || t instanceof CertPathBuilderException) {
                return true;
            }
        }
        return false;
    }
}
