package training.lora.images;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Wheels on the build machine. One that isn't there yet comes from an index of Python's packages, by the interface that PyPI
 * and its mirrors have in common (PEP 503); whoever it comes from, it must have the sha256 that is known here.
 *
 * @param folder where they are kept between builds
 * @param index address of the index, as pip has it in {@code index-url}
 */
record WheelFolder(Path folder, URI index) {
    private static final Pattern LINK = Pattern.compile("<a\\s[^>]*href=\"([^\"#]+)[^\"]*\"");

    private static final Duration ANSWER = Duration.ofMinutes(2);

    /** The file of {@code wheel}. */
    Path get(Wheel wheel) throws IOException, InterruptedException {
        Path file = folder.resolve(wheel.file());
        if (!Files.exists(file)) {
            Files.createDirectories(folder);
            // Whole or not at all, whatever ends the build.
            Path part = folder.resolve(wheel.file() + ".part");
            try {
                System.out.printf("%s: from %s%n", file, index);
                download(wheel, part);
                check(wheel, part);
                Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(part);
            }
        } else {
            check(wheel, file);
        }
        return file;
    }

    private void download(Wheel wheel, Path to) throws IOException, InterruptedException {
        HttpClient http = HttpClient.newBuilder()
                .followRedirects(HttpClient.Redirect.NORMAL)
                .connectTimeout(ANSWER)
                .build();
        URI page = URI.create(index.toString().replaceFirst("/*$", "/") + wheel.project() + "/");
        try {
            HttpResponse<String> list =
                    http.send(request(page), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
            if (list.statusCode() != 200) {
                throw new IOException("%s answers %d".formatted(page, list.statusCode()));
            }
            URI link = link(list.uri(), list.body(), wheel);
            HttpResponse<Path> file = http.send(request(link), HttpResponse.BodyHandlers.ofFile(to));
            if (file.statusCode() != 200) {
                throw new IOException("%s answers %d".formatted(link, file.statusCode()));
            }
        } catch (IOException e) {
            throw new IOException(
                    "%s must lie in %s or come from %s, but %s. -Dcuda.wheels=FOLDER names a folder that has it, -Dcuda.index=URL another index"
                            .formatted(wheel.file(), folder, index, reason(e)),
                    e);
        }
    }

    private static String reason(IOException e) {
        return e.getMessage() != null ? e.getMessage() : "it can't be reached: " + e;
    }

    private static HttpRequest request(URI uri) {
        return HttpRequest.newBuilder(uri)
                .header("Accept", "text/html, application/octet-stream;q=0.9, */*;q=0.1")
                .timeout(ANSWER)
                .build();
    }

    /** The address of the file, of the links on the project's page. */
    private static URI link(URI page, String html, Wheel wheel) throws IOException {
        Matcher links = LINK.matcher(html);
        while (links.find()) {
            URI link = page.resolve(links.group(1).replace("&amp;", "&"));
            if (link.getPath().endsWith("/" + wheel.file())) {
                return link;
            }
        }
        throw new IOException(page + " has no such file");
    }

    private static void check(Wheel wheel, Path file) throws IOException {
        String sha256 = sha256(file);
        if (!sha256.equals(wheel.sha256())) {
            throw new IOException("%s must have the sha256 %s, has %s".formatted(file, wheel.sha256(), sha256));
        }
    }

    private static String sha256(Path file) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
                byte[] buffer = new byte[1 << 20];
                while (in.read(buffer) >= 0) {
                    // Only to be counted.
                }
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK must have SHA-256", e);
        }
    }
}
