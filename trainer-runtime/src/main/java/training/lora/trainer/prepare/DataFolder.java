package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.files.FileName;
import training.lora.trainer.files.Leftovers;
import training.lora.trainer.files.SystemFiles;

/**
 * The files below a data set's folder. Links are followed once all else is known, each folder is walked once by
 * whatever way, and a link may not lead out of the volume that the data set lies in.
 */
final class DataFolder {
    private static final Logger LOG = LoggerFactory.getLogger(DataFolder.class);

    private final Path root;
    private final @Nullable Path volume;
    private final Set<Path> passedOver;
    private final List<Entry> files = new ArrayList<>();
    private final List<LostLink> lost = new ArrayList<>();
    private final Set<Path> walked = new HashSet<>();
    private final Deque<Entry> links = new ArrayDeque<>();
    private boolean linked;

    private DataFolder(Path root, @Nullable Path volume, Set<Path> passedOver) {
        this.root = root;
        this.volume = volume;
        this.passedOver = passedOver;
    }

    /**
     * A file.
     *
     * @param name its path below the data set's folder, with slashes, NFC
     */
    record Entry(String name, Path path) {
        /** The folder's part of the name, with a slash at the end; empty at the top. */
        String folder() {
            return name.substring(0, name.lastIndexOf('/') + 1);
        }

        /** The name without the extension. */
        String stem() {
            return folder() + FileName.stem(path);
        }

        /** In lower case; empty where there is none. */
        String extension() {
            return FileName.extension(path);
        }
    }

    /**
     * A link that can't be followed.
     *
     * @param why in a few words
     */
    record LostLink(Entry link, String why) {}

    /**
     * What was found, by name.
     *
     * @param linked whether any of it is reached through a link
     */
    record Content(List<Entry> files, List<LostLink> lost, boolean linked) {
        Content {
            files = List.copyOf(files);
            lost = List.copyOf(lost);
        }
    }

    /**
     * Lists a folder.
     *
     * @param volume which no link may lead out of; null where a link may lead anywhere
     * @param passedOver folders that are none of the data set's
     * @throws TrainerException InvalidData if a folder can't be read, or {@code folder} itself lies outside the volume
     */
    static Content list(Path folder, @Nullable Path volume, Set<Path> passedOver) throws IOException {
        Path root = folder.toRealPath();
        Path realVolume = volume == null ? null : volume.toRealPath();
        if (realVolume != null && !root.startsWith(realVolume)) {
            throw new TrainerException(
                    Reason.InvalidData, folder + " must lie in its volume, but is a link that leads out of it");
        }
        DataFolder walk = new DataFolder(root, realVolume, passedOver);
        walk.folder(folder, root, "");
        while (!walk.links.isEmpty()) {
            walk.link(walk.links.remove());
        }
        walk.files.sort(Comparator.comparing(Entry::name));
        walk.lost.sort(Comparator.comparing(lost -> lost.link().name()));
        return new Content(walk.files, walk.lost, walk.linked);
    }

    private void folder(Path folder, Path real, String prefix) throws IOException {
        if (!walked.add(real)) {
            return;
        }
        for (Path child : children(folder)) {
            String name = FileName.of(child);
            if (SystemFiles.isOne(name)) {
                LOG.debug("{} is passed over", child);
                continue;
            }
            Entry entry = new Entry(prefix + name, child);
            BasicFileAttributes attributes =
                    Files.readAttributes(child, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            if (attributes.isSymbolicLink()) {
                links.add(entry);
            } else if (attributes.isDirectory()) {
                subfolder(entry, real.resolve(child.getFileName()));
            } else if (attributes.isRegularFile()) {
                files.add(entry);
            }
        }
    }

    private void subfolder(Entry entry, Path real) throws IOException {
        if (passedOver.contains(real) || Leftovers.isRunsOwn(entry.path())) {
            LOG.info("{} is passed over: a run works or has published there", entry.path());
            return;
        }
        int before = files.size();
        folder(entry.path(), real, entry.name() + "/");
        List<Entry> added = files.subList(before, files.size());
        if (Leftovers.isThumbnails(FileName.of(entry.path()))
                && added.stream().noneMatch(f -> f.extension().equals(DataFiles.CAPTION))) {
            LOG.info("{} is passed over: thumbnails without captions", entry.path());
            added.clear();
            links.removeIf(link -> link.name().startsWith(entry.name() + "/"));
        }
    }

    private void link(Entry link) throws IOException {
        Path real;
        try {
            real = link.path().toRealPath();
        } catch (AccessDeniedException e) {
            lost.add(new LostLink(link, "a link that this process may not follow"));
            return;
        } catch (FileSystemException e) {
            if (!(e instanceof NoSuchFileException) && !new LinkWalk().endsNowhere(link.path())) {
                // What can't be read just now may be there again the next time.
                throw e;
            }
            lost.add(new LostLink(link, "a link that leads nowhere"));
            return;
        }
        if (volume != null && !real.startsWith(volume)) {
            lost.add(new LostLink(link, "a link that leads out of the data set's volume"));
        } else if (Files.isRegularFile(real)) {
            linked = true;
            files.add(link);
        } else if (Files.isDirectory(real)) {
            if (root.startsWith(real) && !root.equals(real)) {
                lost.add(new LostLink(link, "a link to a folder that it lies in"));
            } else {
                linked = true;
                subfolder(link, real);
            }
        }
    }

    private static List<Path> children(Path folder) throws IOException {
        List<Path> children = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
            stream.forEach(children::add);
        } catch (AccessDeniedException e) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each folder of a data set must be readable, but this process may not read " + folder,
                    e);
        }
        children.sort(null);
        return children;
    }
}
