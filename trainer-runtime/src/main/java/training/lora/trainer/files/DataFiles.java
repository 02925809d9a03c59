package training.lora.trainer.files;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;

/** What files of a data set are by their names. */
public final class DataFiles {
    /** The extension of a caption's file that messages name. */
    public static final String CAPTION = "txt";

    /** Follows a picture's name in that of its mask, as in OneTrainer. */
    public static final String MASK = "-masklabel";

    private static final Set<String> CAPTIONS = Set.of(CAPTION, "caption");

    /** Of the formats that can be decoded. */
    private static final Set<String> PICTURES = Set.of(
            ("png apng jpg jpeg jpe jfif jif jfi webp bmp dib tif tiff jp2 j2k jpf jpx j2c jpc pbm pgm ppm pnm sr ras gif")
                    .split(" "));

    /** Of formats that libheif decodes, where it is installed. */
    private static final Set<String> OF_LIBHEIF = Set.of("avif", "avifs", "heic", "heics", "heif", "hif");

    private DataFiles() {}

    /** Whether a file of that extension, in lower case, should be a picture that can be decoded. */
    public static boolean isPicture(String extension) {
        return PICTURES.contains(extension);
    }

    /** Whether a file of that extension, in lower case, should be a picture that can be decoded where libheif is installed. */
    public static boolean needsLibheif(String extension) {
        return OF_LIBHEIF.contains(extension);
    }

    /** Whether a file of that extension, in lower case, is a caption. */
    public static boolean isCaption(String extension) {
        return CAPTIONS.contains(extension);
    }

    /** Whether a file of that name without its extension is the mask of a picture. */
    public static boolean isMask(String stem) {
        return stem.toLowerCase(Locale.ROOT).endsWith(MASK);
    }

    /** Whether {@code file} should be a picture that can be decoded, and no mask of one. */
    public static boolean isPictureAndNoMask(Path file) {
        return isPicture(FileName.extension(file)) && !isMask(FileName.stem(file));
    }

    /** Whether {@code file} is a caption. */
    public static boolean isCaption(Path file) {
        return isCaption(FileName.extension(file));
    }
}
