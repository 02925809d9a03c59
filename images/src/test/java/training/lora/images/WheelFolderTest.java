package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Wheels from a folder and from an index. */
class WheelFolderTest {
    /** That of {@code content}. */
    private static final Wheel WHEEL = new Wheel(
            "some_lib_cu12-1.2.3-py3-none-manylinux2014_x86_64.whl",
            "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
            "lib",
            List.of("lib.so"));

    @TempDir
    Path folder;

    private HttpServer server;

    @BeforeEach
    void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void answer(String path, String body) {
        server.createContext(path, exchange -> {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
    }

    private WheelFolder wheels() {
        return new WheelFolder(
                folder, URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/simple"));
    }

    @Test
    void aFileIsNamedByProjectAndVersion() {
        assertThat(WHEEL.project()).isEqualTo("some-lib-cu12");
        assertThat(WHEEL.version()).isEqualTo("1.2.3");
    }

    @Test
    void oneThatIsMissingComesFromTheIndexOnce() throws Exception {
        answer(
                "/simple/some-lib-cu12/",
                "<a href=\"../../files/other.whl#sha256=1\">x</a> <a data-x=\"y\" href=\"../../files/" + WHEEL.file()
                        + "#sha256=2\">x</a>");
        answer("/files/" + WHEEL.file(), "content");

        Path file = wheels().get(WHEEL);
        server.stop(0);

        assertThat(file).hasContent("content");
        assertThat(wheels().get(WHEEL)).isEqualTo(file);
        assertThat(folder).isDirectoryNotContaining("glob:**.part");
    }

    @Test
    void anotherContentIsRefusedAndNotKept() throws Exception {
        answer("/simple/some-lib-cu12/", "<a href=\"/files/" + WHEEL.file() + "\">x</a>");
        answer("/files/" + WHEEL.file(), "other content");

        assertThatThrownBy(() -> wheels().get(WHEEL))
                .hasMessageContainingAll(WHEEL.file(), "must have the sha256 " + WHEEL.sha256());
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void anotherContentInTheFolderIsRefused() throws Exception {
        Files.writeString(folder.resolve(WHEEL.file()), "other content");

        assertThatThrownBy(() -> wheels().get(WHEEL)).hasMessageContaining("must have the sha256");
    }

    @Test
    void theSentenceNamesTheFileAndWhatToDo() {
        answer("/simple/some-lib-cu12/", "<a href=\"/files/other.whl\">x</a>");

        assertThatThrownBy(() -> wheels().get(WHEEL))
                .hasMessageContainingAll(
                        WHEEL.file() + " must lie in " + folder + " or come from http://127.0.0.1",
                        "/simple/some-lib-cu12/ has no such file",
                        "-Dcuda.wheels=FOLDER",
                        "-Dcuda.index=URL");
        server.stop(0);
        assertThatThrownBy(() -> wheels().get(WHEEL)).hasMessageContaining("it can't be reached");
    }
}
