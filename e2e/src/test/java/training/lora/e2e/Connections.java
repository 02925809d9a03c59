package training.lora.e2e;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/** Reads again and again to whom this process and its descendants are connected, from the kernel's tables in /proc. */
final class Connections implements AutoCloseable {
    private static final List<String> TABLES = List.of("tcp", "tcp6", "udp", "udp6");
    private static final Set<String> NOBODY = Set.of("00000000", "00000000000000000000000000000000");
    /** As /proc writes 127.x.x.x, ::1 and ::ffff:127.x.x.x: words of four bytes, each little-endian. */
    private static final String LOOPBACK = "......7F|0{24}01000000|0{16}FFFF0000......7F";

    private static final long EVERY_MILLIS = 50;

    private final Set<String> remote = ConcurrentHashMap.newKeySet();
    private final Thread watcher = new Thread(this::watch, "connections");
    private volatile boolean closed;

    Connections() {
        watcher.setDaemon(true);
        watcher.start();
    }

    /** The remote ends seen so far, as /proc writes them. */
    Set<String> all() {
        return Set.copyOf(remote);
    }

    /** Those that are not on loopback. */
    List<String> outside() {
        return remote.stream().filter(a -> !a.matches(LOOPBACK)).toList();
    }

    private void watch() {
        ProcessHandle self = ProcessHandle.current();
        while (!closed) {
            Stream.concat(Stream.of(self), self.descendants()).forEach(p -> read(Path.of("/proc", "" + p.pid())));
            try {
                Thread.sleep(EVERY_MILLIS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private void read(Path process) {
        try {
            Set<String> inodes = sockets(process.resolve("fd"));
            for (String table : TABLES) {
                for (String line : Files.readAllLines(process.resolve("net").resolve(table))) {
                    String[] fields = line.strip().split("\\s+");
                    if (fields.length > 9 && inodes.contains(fields[9])) {
                        String address = fields[2].substring(0, fields[2].indexOf(':'));
                        if (!NOBODY.contains(address)) {
                            remote.add(address);
                        }
                    }
                }
            }
        } catch (IOException e) {
            // It has ended meanwhile.
        }
    }

    private static Set<String> sockets(Path descriptors) throws IOException {
        Set<String> inodes = new HashSet<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(descriptors)) {
            for (Path descriptor : all) {
                try {
                    String target = Files.readSymbolicLink(descriptor).toString();
                    if (target.startsWith("socket:[")) {
                        inodes.add(target.substring("socket:[".length(), target.length() - 1));
                    }
                } catch (IOException e) {
                    // Closed meanwhile.
                }
            }
        }
        return inodes;
    }

    @Override
    public void close() {
        closed = true;
        watcher.interrupt();
    }
}
