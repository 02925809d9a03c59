package training.lora.trainer.source;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import training.lora.trainer.http.Urls;

/**
 * {@code hf://owner/repository@revision/path}, as huggingface_hub's file system writes it: with {@code datasets/} before the
 * owner for a repository of that type, which a data set's uri names without it too ({@code models/} for one of models).
 *
 * @param dataset whether it is a repository of data
 * @param repository with its owner
 * @param revision a branch, a tag or a commit
 * @param path of a file or folder in it; empty for all
 */
record HubUri(boolean dataset, String repository, String revision, String path) {
    private static final Pattern FORM = Pattern.compile("hf://(?:(datasets|models)/)?"
            + "([A-Za-z0-9_][\\w.-]*/[A-Za-z0-9_][\\w.-]*)"
            + "(?:@(refs/(?:pr|convert)/[^/]+|[^/@]+))?"
            + "(?:/(.*))?");

    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    static HubUri of(Source source) {
        Matcher form = FORM.matcher(source.uri());
        if (!form.matches()) {
            throw source.wrong(
                    "must be hf://OWNER/REPOSITORY@REVISION/PATH, with @REVISION and /PATH left out for all of main");
        }
        String type = form.group(1);
        String path = form.group(4) == null ? "" : form.group(4).replaceAll("/+$", "");
        if (("/" + path + "/").contains("/../") || path.contains("//") || ("/" + path + "/").contains("/./")) {
            throw source.wrong("must name a file or folder of its repository");
        }
        return new HubUri(
                type == null ? source.use() == Use.Dataset : type.equals("datasets"),
                form.group(2),
                form.group(3) == null
                        ? "main"
                        : URLDecoder.decode(form.group(3).replace("+", "%2B"), StandardCharsets.UTF_8),
                path);
    }

    /** Whether the revision never changes. */
    boolean fixed() {
        return COMMIT.matcher(revision).matches();
    }

    /** Below the Hub's endpoint: what it says of the revision. */
    String revisionPath() {
        return "/api/%s/%s/revision/%s".formatted(dataset ? "datasets" : "models", repository, Urls.encode(revision));
    }

    /** Below the Hub's endpoint: the files of a commit. */
    String treePath(String commit) {
        return "/api/%s/%s/tree/%s?recursive=true&expand=false"
                .formatted(dataset ? "datasets" : "models", repository, commit);
    }

    /** Below the Hub's endpoint: a file. */
    String filePath(String commit, String file) {
        StringBuilder text = new StringBuilder(page()).append("/resolve/").append(commit);
        for (String part : file.split("/")) {
            text.append('/').append(Urls.encode(part));
        }
        return text.toString();
    }

    /** Below the Hub's endpoint: the page for people. */
    String page() {
        return (dataset ? "/datasets/" : "/") + repository;
    }

    /** The folder in a Hub's cache. */
    String cacheFolder() {
        return (dataset ? "datasets--" : "models--") + repository.replace("/", "--");
    }
}
