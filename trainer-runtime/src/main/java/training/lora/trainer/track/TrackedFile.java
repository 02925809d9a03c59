package training.lora.trainer.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import training.lora.api.Json;
import training.lora.trainer.files.WholeFile;

/**
 * What a service is to be told, a line each, and how much of it was. All goes through the file: what can't be sent now can
 * be later, by another process too, and none of it has to be held in memory.
 */
final class TrackedFile {
    private final Path lines;
    private final Path state;
    private Told told;
    private long at;
    private int count;

    /**
     * @param folder with files of earlier processes
     * @param name of the file of lines
     * @param run of another run nothing is left
     * @param where told elsewhere, all of it is told again
     * @param earlier takes the lines that are there
     */
    TrackedFile(Path folder, String name, String run, String where, Consumer<String> earlier) throws IOException {
        lines = folder.resolve(name);
        state = folder.resolve(name + ".sent");
        Told fresh = ToldBuilder.builder().run(run).where(where).lines(0).build();
        Told before = read(fresh);
        told = before.where().equals(where) ? before : fresh;
        if (!before.run().equals(run)) {
            told = fresh;
            Files.deleteIfExists(lines);
        }
        Files.createDirectories(folder);
        if (Files.exists(lines)) {
            dropHalfALine();
            read(earlier);
        }
    }

    private Told read(Told fresh) throws IOException {
        if (!Files.exists(state)) {
            return fresh;
        }
        try {
            return Json.MAPPER.readValue(state.toFile(), Told.class);
        } catch (JsonProcessingException e) {
            return fresh;
        }
    }

    /** A process that was killed may have left the beginning of one. */
    private void dropHalfALine() throws IOException {
        byte[] all = Files.readAllBytes(lines);
        int end = all.length;
        while (end > 0 && all[end - 1] != '\n') {
            end--;
        }
        if (end < all.length) {
            try (SeekableByteChannel channel = Files.newByteChannel(lines, StandardOpenOption.WRITE)) {
                channel.truncate(end);
            }
        }
    }

    private void read(Consumer<String> earlier) throws IOException {
        try (BufferedReader reader = Files.newBufferedReader(lines)) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (count < told.lines()) {
                    at += bytes(line);
                }
                earlier.accept(line);
                count++;
            }
        }
        if (told.lines() > count) {
            told(ToldBuilder.builder(told).lines(count).build());
        }
    }

    private static int bytes(String line) {
        return line.getBytes(StandardCharsets.UTF_8).length + 1;
    }

    /** Begins anew, as for another run. */
    synchronized void restart() throws IOException {
        Files.deleteIfExists(lines);
        at = 0;
        count = 0;
        told(ToldBuilder.builder().run(told.run()).where(told.where()).lines(0).build());
    }

    synchronized void append(String line) throws IOException {
        Files.writeString(lines, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        count++;
    }

    synchronized boolean isEmpty() {
        return count == 0;
    }

    synchronized boolean hasUnsent() {
        return told.lines() < count;
    }

    /** Lines that weren't sent, the oldest first. */
    synchronized List<String> unsent(int most) throws IOException {
        List<String> unsent = new ArrayList<>();
        int left = Math.min(most, count - told.lines());
        if (left <= 0) {
            return unsent;
        }
        try (SeekableByteChannel channel = Files.newByteChannel(lines).position(at);
                BufferedReader reader = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8))) {
            while (unsent.size() < left) {
                String line = reader.readLine();
                if (line == null) {
                    break;
                }
                unsent.add(line);
            }
        }
        return unsent;
    }

    /** These were sent. */
    synchronized void sent(List<String> sent) throws IOException {
        for (String line : sent) {
            at += bytes(line);
        }
        told(ToldBuilder.builder(told).lines(told.lines() + sent.size()).build());
    }

    synchronized Told told() {
        return told;
    }

    synchronized void told(Told now) throws IOException {
        told = now;
        WholeFile.write(state, temporary -> Files.write(temporary, Json.MAPPER.writeValueAsBytes(now)));
    }

    Path path() {
        return lines;
    }
}
