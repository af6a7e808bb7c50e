/** Tests of {@code org.dunlin.conf.checkpoint}, with a model that was really trained. */
package org.dunlin.conf.checkpoint;
