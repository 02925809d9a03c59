/**
 * Container images from nothing: a Java runtime of the modules that are needed, libraries of the build machine's Debian, the
 * program, and an SBOM of it all. No container engine, no registry, no shell in the image.
 */
@NullMarked
package training.lora.images;

import org.jspecify.annotations.NullMarked;
