package training.lora.trainer.cli;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Lines of one of several runs, which begin with its name; each goes on to where all are written once it is whole. */
final class NamedLines extends OutputStream {
    private final String name;
    private final PrintStream all;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    private NamedLines(String name, PrintStream all) {
        this.name = name;
        this.all = all;
    }

    /** Writes lines of {@code name} to {@code all}. */
    static PrintStream of(String name, PrintStream all) {
        return new PrintStream(new NamedLines(name, all), true, StandardCharsets.UTF_8);
    }

    @Override
    public synchronized void write(int b) {
        if (b != '\n') {
            line.write(b);
            return;
        }
        all.println(
                "%s: %s".formatted(name, line.toString(StandardCharsets.UTF_8)).stripTrailing());
        line.reset();
    }
}
