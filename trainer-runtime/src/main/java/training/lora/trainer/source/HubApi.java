package training.lora.trainer.source;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.Http;
import training.lora.trainer.http.Urls;

/** The Hub's REST interface, as far as it is needed to read a repository. */
final class HubApi implements Closeable {
    private static final Pattern NEXT = Pattern.compile("<[^>?]*\\?([^>]*)>\\s*;\\s*rel=\"?next\"?");

    private static final int LONGEST = 64 << 20;

    /** Repositories of more files are for other tools. */
    private static final int MOST_FILES = 100_000;

    private final Http http;
    private final String endpoint;

    /** @param endpoint without a slash at its end */
    HubApi(Http http, String endpoint) {
        this.http = http;
        this.endpoint = endpoint;
    }

    /** The commit that a revision is today. */
    String commit(Source source, HubUri uri, HubLogin login) throws IOException {
        JsonNode revision =
                json(source, uri, endpoint + uri.revisionPath(), login).node();
        String commit = revision.path("sha").asText();
        if (!commit.matches("[0-9a-f]{40,64}")) {
            throw source.wrong("must be answered by a Hub (HF_ENDPOINT), but %s tells no commit".formatted(endpoint));
        }
        return commit;
    }

    /** All files of a commit. */
    List<HubFile> files(Source source, HubUri uri, String commit, HubLogin login) throws IOException {
        List<HubFile> files = new ArrayList<>();
        String first = endpoint + uri.treePath(commit);
        String url = first;
        while (url != null) {
            Page page = json(source, uri, url, login);
            for (JsonNode entry : page.node()) {
                if (entry.path("type").asText().equals("file")) {
                    files.add(file(entry));
                }
            }
            if (files.size() > MOST_FILES) {
                throw source.wrong("must name a repository of at most %d files, but %s has more"
                        .formatted(MOST_FILES, uri.repository()));
            }
            // Mirrors hand on the Hub's own links, of which only the cursor is meant.
            Matcher next = NEXT.matcher(page.link() == null ? "" : page.link());
            url = next.find() ? first.replaceFirst("\\?.*", "?") + next.group(1) : null;
        }
        return files;
    }

    private static HubFile file(JsonNode entry) {
        JsonNode lfs = entry.path("lfs");
        boolean stored = lfs.isObject();
        String sha256 =
                stored ? lfs.path("oid").asText(lfs.path("sha256").asText()).replaceFirst("^sha256:", "") : null;
        return new HubFile(
                entry.path("path").asText(),
                (stored && lfs.has("size") ? lfs : entry).path("size").asLong(-1),
                entry.path("oid").asText(),
                sha256);
    }

    /** Opens a file's bytes. */
    HttpFile file(Source source, HubUri uri, String commit, HubFile file, HubLogin login) {
        URI url = Urls.of(endpoint + uri.filePath(commit, file.path()));
        return new HttpFile(source, http, url, login.authorization(), answer -> refused(source, uri, answer, login));
    }

    private record Page(JsonNode node, @Nullable String link) {}

    private Page json(Source source, HubUri uri, String url, HubLogin login) throws IOException {
        try (Http.Answer answer =
                HttpFile.ask(source, http, Urls.of(url), Map.of("Accept", "application/json"), login.authorization())) {
            if (answer.status() != 200) {
                throw refused(source, uri, answer, login);
            }
            byte[] body = read(answer);
            return new Page(Json.MAPPER.readTree(body), answer.header("Link"));
        } catch (JsonProcessingException e) {
            throw source.wrong(
                    "must be answered by a Hub (HF_ENDPOINT), but what %s answers is no JSON".formatted(endpoint));
        }
    }

    private static byte[] read(Http.Answer answer) throws IOException {
        try (InputStream body = answer.body()) {
            return body.readNBytes(LONGEST);
        } catch (IOException e) {
            throw new TransientException("broke off its answer: " + e.getMessage(), null, e);
        }
    }

    /** What an answer without content comes from, and what to do about it. */
    private TrainerException refused(Source source, HubUri uri, Http.Answer answer, HubLogin login) {
        String code = String.valueOf(answer.header("X-Error-Code"));
        String message = answer.header("X-Error-Message");
        String page = endpoint + uri.page();
        boolean withToken = login.authorization() != null;
        int status = answer.status();
        if (code.equals("GatedRepo")) {
            return source.wrong(
                    withToken
                            ? "is gated: visit %s with the account whose token %s has, ask for access and accept its terms, then start again"
                                    .formatted(page, login.holder())
                            : "is gated: visit %s, ask for access and accept its terms, and give that account's token: %s"
                                    .formatted(page, login.giving()));
        }
        if (code.equals("RevisionNotFound")) {
            return source.wrong("must name a branch, a tag or a commit of %s, but there is no %s"
                    .formatted(uri.repository(), uri.revision()));
        }
        if (code.equals("EntryNotFound")) {
            return source.wrong("must name a file that is there, but %s has none".formatted(page));
        }
        if (status == 401 && withToken) {
            return source.wrong("needs a token that is valid, but %s takes that of %s for none (%s)"
                    .formatted(endpoint, login.holder(), message == null ? answer.statusLine() : message));
        }
        if (code.equals("RepoNotFound") || status == 401 || status == 404) {
            return source.wrong(
                    withToken
                            ? "must name a repository that the token of %s may read, but %s is not there for it"
                                    .formatted(login.holder(), page)
                            : "must name a repository that is open to all, but %s is not there for everybody; where it is private give a token: %s"
                                    .formatted(page, login.giving()));
        }
        return source.wrong("must be open to the trainer, but %s answered %s%s"
                .formatted(answer.url().getHost(), answer.statusLine(), message == null ? "" : ": " + message));
    }

    @Override
    public void close() throws IOException {
        http.close();
    }
}
