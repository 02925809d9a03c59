package training.lora.trainer.source;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.ContentDisposition;
import training.lora.trainer.http.Http;
import training.lora.trainer.http.Urls;

/**
 * {@code https://}: one file. It is asked for by GET alone, since many servers answer no HEAD, or something else to it; the
 * first byte tells size, name and ETag.
 */
final class HttpScheme implements Scheme {
    private final Surroundings surroundings;
    private final Http http;

    HttpScheme(Surroundings surroundings) {
        this.surroundings = surroundings;
        this.http = new Http(surroundings::variable, surroundings.guard(), surroundings.stopping());
    }

    @Override
    public Listing list(Source source) throws IOException {
        URI url = url(source);
        String authorization = authorization(source);
        HttpFile file = new HttpFile(
                source, http, url, authorization, answer -> refused(source, answer, authorization != null));
        String last = ContentDisposition.safe(url.getPath());
        String name = last == null ? "download" : last;
        if (source.sha256() != null) {
            // Its content is known, whatever the server says of it.
            return new Listing(
                    null,
                    false,
                    List.of(RemoteFileBuilder.builder()
                            .path(name)
                            .size(-1L)
                            .content(offset -> file.open(offset, null))
                            .identity(RemoteFile.ofSha256(source.sha256()))
                            .sha256(source.sha256())
                            .build()));
        }
        try (Http.Answer answer = file.first()) {
            String named = ContentDisposition.fileName(answer.header("Content-Disposition"));
            String etag = answer.header("ETag");
            String modified = answer.header("Last-Modified");
            Long size = HttpFile.size(answer);
            if (size != null && size == 0) {
                throw source.invalid("must name a file with content, but it is empty");
            }
            String version = etag != null ? "ETag " + etag : modified;
            String shown = etag != null || modified == null ? version : "last changed on " + modified;
            // A weak ETag doesn't tell byte from byte.
            String validator = etag != null ? (etag.startsWith("W/") ? null : etag) : modified;
            return new Listing(
                    shown,
                    false,
                    List.of(RemoteFileBuilder.builder()
                            .path(named != null ? named : name)
                            .size(size == null ? -1 : size)
                            // Without a validator the rest may be another content's.
                            .content(offset -> file.open(validator == null ? 0 : offset, validator))
                            .identity(version == null ? null : "%s %s %d".formatted(url, version, size))
                            .build()));
        }
    }

    private TrainerException refused(Source source, Http.Answer answer, boolean withCredentials) {
        String host = answer.url().getHost();
        return switch (answer.status()) {
            case 401, 403 ->
                source.wrong(
                        withCredentials
                                ? "must be open to the credentials of `%s`, but %s answered %s"
                                        .formatted(source.beside("secretRef"), host, answer.statusLine())
                                : "must be open to all, but %s answered %s%s"
                                        .formatted(
                                                host,
                                                answer.statusLine(),
                                                source.option()
                                                        ? ""
                                                        : "; for a place that isn't, "
                                                                + surroundings
                                                                        .secrets()
                                                                        .giving(source)));
            case 404, 410 -> source.wrong("must name a file, but %s answered %s".formatted(host, answer.statusLine()));
            default ->
                source.wrong("must be answered with a file, but %s answered %s".formatted(host, answer.statusLine()));
        };
    }

    private static URI url(Source source) {
        URI url;
        try {
            url = Urls.of(source.uri());
        } catch (IllegalArgumentException e) {
            throw source.wrong("must be a url, as in https://HOST/FILE");
        }
        if (url.getHost() == null) {
            throw source.wrong("must be a url with a host, as in https://HOST/FILE");
        }
        if (url.getUserInfo() != null) {
            throw source.wrong("must have no user and no password in it"
                    + (source.option() ? "" : ": `%s` names a Secret with them".formatted(source.beside("secretRef"))));
        }
        return url;
    }

    private @Nullable String authorization(Source source) {
        Secrets secrets = surroundings.secrets();
        Map<String, String> keys = secrets.of(source);
        if (source.secret() == null) {
            return null;
        }
        if (keys.isEmpty()) {
            throw secrets.nowhere(source, "");
        }
        String token = keys.get("token");
        String user = keys.get("username");
        String password = keys.get("password");
        if (token != null) {
            return "Bearer " + token;
        }
        if (user != null && password != null) {
            return "Basic "
                    + Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
        }
        throw secrets.lacks(source, "token, or username and password", keys);
    }

    @Override
    public void close() throws IOException {
        http.close();
    }
}
