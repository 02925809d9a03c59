package training.lora.trainer;

import nu.pattern.OpenCV;

/**
 * The native library of OpenCV: the file that {@code LORA_OPENCV_LIBRARY} names, as in an image, else the one that comes in
 * OpenCV's jar, which is unpacked for each process.
 */
public final class OpenCvLibrary {
    private static final String FILE = "LORA_OPENCV_LIBRARY";

    private OpenCvLibrary() {}

    /** Loads it; does nothing where it is loaded. */
    public static void load() {
        String file = System.getenv(FILE);
        if (file == null || file.isEmpty()) {
            OpenCV.loadLocally();
        } else {
            System.load(file);
        }
    }
}
