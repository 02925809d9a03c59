package training.lora.trainer.convert;

import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.files.FileName;
import training.lora.trainer.files.Leftovers;
import training.lora.trainer.files.SystemFiles;

/** What lies in a folder of pictures and below it, as names and first bytes tell: what is learned when it is prepared. */
final class PictureFolder {
    private final List<Found> files;

    /** Those of captions, by their names without extension and case. */
    private final Map<String, List<Found>> captions;

    private PictureFolder(List<Found> files) {
        this.files = List.copyOf(files);
        captions = files.stream().filter(Found::isCaption).collect(Collectors.groupingBy(Found::anyStem));
    }

    /**
     * A file.
     *
     * @param name its path below the folder, with slashes
     * @param begins whether it begins as a picture does that can be decoded on any machine, where its name tells nothing
     */
    record Found(String name, Path path, boolean begins) {
        static Found of(String name, Path path) {
            Found file = new Found(name, path, false);
            return file.isTold() ? file : new Found(name, path, PictureStart.isOf(path));
        }

        private boolean isTold() {
            return isTable() || isCaption() || DataFiles.isPicture(extension()) || needsLibheif();
        }

        /** Whether it should be a picture that can be decoded on any machine, or the mask of one. */
        private boolean isPicture() {
            return begins || DataFiles.isPicture(extension());
        }

        /** The name without the extension. */
        String stem() {
            return name.substring(0, name.lastIndexOf('/') + 1) + FileName.stem(path);
        }

        /** The same where names that differ in case alone may belong together. */
        String anyStem() {
            return stem().toLowerCase(Locale.ROOT);
        }

        /** In lower case; empty where there is none. */
        String extension() {
            return FileName.extension(path);
        }

        boolean isBelow() {
            return name.indexOf('/') >= 0;
        }

        private boolean isTable() {
            return CaptionTables.isOne(name);
        }

        private boolean isCaption() {
            return DataFiles.isCaption(extension());
        }

        /** Whether it is a picture where libheif is installed. */
        boolean needsLibheif() {
            return DataFiles.needsLibheif(extension());
        }
    }

    /** Lists {@code folder}. */
    static PictureFolder list(Path folder) throws IOException {
        Walk walk = new Walk(folder);
        Files.walkFileTree(folder, Set.of(FileVisitOption.FOLLOW_LINKS), Integer.MAX_VALUE, walk);
        walk.files.sort(Comparator.comparing(Found::name));
        return new PictureFolder(walk.files);
    }

    /** What names or first bytes tell to be pictures, and no masks. What needs libheif beside one of the same name is where that came from. */
    List<Found> pictures() {
        Set<String> plain =
                which(PictureFolder::isPlain).stream().map(Found::stem).collect(Collectors.toSet());
        return which(file -> isPlain(file) || (file.needsLibheif() && !isMask(file) && !plain.contains(file.stem())));
    }

    /** Whether it should be a picture that can be decoded on any machine, and no mask. */
    private static boolean isPlain(Found file) {
        return file.isPicture() && !isMask(file);
    }

    /** Masks of pictures. */
    List<Found> masks() {
        return which(file -> file.isPicture() && isMask(file));
    }

    private static boolean isMask(Found file) {
        return DataFiles.isMask(FileName.stem(file.path()));
    }

    /**
     * The files of captions that lie beside pictures, or beside what has no extension to tell. Others are passed over when they are
     * prepared, but where a picture of a rare format is called otherwise.
     */
    List<Found> captions() {
        Set<String> pictures = which(file -> file.extension().isEmpty()).stream()
                .map(Found::anyStem)
                .collect(Collectors.toSet());
        pictures().forEach(picture -> pictures.add(picture.anyStem()));
        return which(file -> file.isCaption() && pictures.contains(file.anyStem()));
    }

    /** The files of captions of {@code picture}: those of its name or, without any, those whose names differ in case alone. */
    List<Found> captions(Found picture) {
        List<Found> any = captions.getOrDefault(picture.anyStem(), List.of());
        List<Found> own =
                any.stream().filter(file -> file.stem().equals(picture.stem())).toList();
        return own.isEmpty() ? any : own;
    }

    /** The files that are called as tables of captions are. */
    List<Found> tables() {
        return which(Found::isTable);
    }

    /** Whether there are pictures without a file of their caption. */
    boolean lacksCaptions() {
        Set<String> captioned = captions().stream().map(Found::anyStem).collect(Collectors.toSet());
        return pictures().stream().anyMatch(picture -> !captioned.contains(picture.anyStem()));
    }

    /** How many pictures there are; null where none is, or where it takes libheif to decode some. */
    @Nullable Integer count() {
        List<Found> pictures = pictures();
        boolean known = pictures.stream().noneMatch(Found::needsLibheif);
        return known && !pictures.isEmpty() ? pictures.size() : null;
    }

    private List<Found> which(Predicate<Found> wanted) {
        return files.stream().filter(wanted).toList();
    }

    private static final class Walk extends SimpleFileVisitor<Path> {
        private final Path root;
        private final Path realRoot;
        private final List<Found> files = new ArrayList<>();
        private final Set<Path> walked = new HashSet<>();
        /** How many files there were where each folder that is walked began. */
        private final Deque<Integer> begun = new ArrayDeque<>();

        Walk(Path root) throws IOException {
            this.root = root;
            realRoot = root.toRealPath();
        }

        @Override
        public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) throws IOException {
            boolean passedOver =
                    !folder.equals(root) && (SystemFiles.isOne(FileName.of(folder)) || Leftovers.isRunsOwn(folder));
            Path real = folder.toRealPath();
            // A link to a folder that the data set lies in isn't followed when it is prepared either.
            boolean above = realRoot.startsWith(real) && !realRoot.equals(real);
            if (passedOver || above || !walked.add(real)) {
                return FileVisitResult.SKIP_SUBTREE;
            }
            begun.push(files.size());
            return FileVisitResult.CONTINUE;
        }

        @Override
        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (!SystemFiles.isOne(FileName.of(file)) && attributes.isRegularFile()) {
                files.add(Found.of(name(file), file));
            }
            return FileVisitResult.CONTINUE;
        }

        /** Prepare says what can't be read below. */
        @Override
        public FileVisitResult visitFileFailed(Path file, IOException problem) throws IOException {
            if (file.equals(root)) {
                throw problem;
            }
            return FileVisitResult.CONTINUE;
        }

        @Override
        public FileVisitResult postVisitDirectory(Path folder, @Nullable IOException problem) {
            List<Found> added = files.subList(begun.pop(), files.size());
            if (!folder.equals(root)
                    && Leftovers.isThumbnails(FileName.of(folder))
                    && added.stream().noneMatch(file -> file.extension().equals(DataFiles.CAPTION))) {
                added.clear();
            }
            return FileVisitResult.CONTINUE;
        }

        private String name(Path file) {
            StringBuilder name = new StringBuilder();
            for (Path part : root.relativize(file)) {
                name.append(name.isEmpty() ? "" : "/").append(FileName.of(part));
            }
            return name.toString();
        }
    }
}
