package training.lora.trainer.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Writes all that goes to standard error, where the log goes, into a file too. */
final class RunLog extends OutputStream {
    private final OutputStream first;
    private final OutputStream second;

    private RunLog(OutputStream first, OutputStream second) {
        this.first = first;
        this.second = second;
    }

    static void open(Path file) throws IOException {
        OutputStream log = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        System.setErr(new PrintStream(new RunLog(System.err, log), true, StandardCharsets.UTF_8));
    }

    @Override
    public void write(int b) throws IOException {
        first.write(b);
        second.write(b);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        first.write(bytes, offset, length);
        second.write(bytes, offset, length);
    }

    @Override
    public void flush() throws IOException {
        first.flush();
        second.flush();
    }
}
